from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0014_mlflow_models'),
    ]

    operations = [
        migrations.AddField(
            model_name='run',
            name='archived_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
