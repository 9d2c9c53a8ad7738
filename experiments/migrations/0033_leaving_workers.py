from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0032_idempotency_keys'),
    ]

    operations = [
        migrations.AlterField(
            model_name='worker',
            name='drain_cause',
            field=models.CharField(blank=True, choices=[('person', 'Person'), ('host', 'Host'), ('failures', 'Failures'), ('disk_full', 'disk full'), ('leaving', 'Leaving')], max_length=10),
        ),
    ]
