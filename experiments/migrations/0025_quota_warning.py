from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0024_open_experiments'),
    ]

    operations = [
        migrations.AddField(
            model_name='team',
            name='near_quota_since',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
