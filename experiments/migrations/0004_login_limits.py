
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0003_missing'),
    ]

    operations = [
        migrations.CreateModel(
            name='LoginLimit',
            fields=[
                ('key', models.CharField(max_length=16, primary_key=True, serialize=False)),
                ('used_until', models.FloatField(db_index=True, default=0)),
            ],
        ),
    ]
