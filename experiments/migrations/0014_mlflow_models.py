from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0013_drop_reports'),
    ]

    operations = [
        migrations.AddField(
            model_name='loggedmodel',
            name='foreign_run',
            field=models.CharField(blank=True, max_length=32),
        ),
        migrations.AddField(
            model_name='loggedmodel',
            name='metrics',
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AlterField(
            model_name='experiment',
            name='name',
            field=models.CharField(max_length=500),
        ),
    ]
