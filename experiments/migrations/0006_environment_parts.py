
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0005_runs'),
    ]

    operations = [
        migrations.CreateModel(
            name='EnvironmentPart',
            fields=[
                ('digest', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('value', models.JSONField()),
            ],
        ),
    ]
