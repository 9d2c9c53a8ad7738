
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0011_drop_points'),
    ]

    operations = [
        migrations.AddField(
            model_name='environmentpart',
            name='used_at',
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
        ),
    ]
