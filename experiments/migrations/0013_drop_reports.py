from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0012_environment_parts_in_use'),
    ]

    operations = [
        migrations.DeleteModel(
            name='RankBlock',
        ),
        migrations.DeleteModel(
            name='Report',
        ),
    ]
