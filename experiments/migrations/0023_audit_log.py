
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0022_trash_marks'),
    ]

    operations = [
        migrations.CreateModel(
            name='LogForwarding',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sent_until', models.BigIntegerField()),
                ('sent_at', models.DateTimeField(blank=True, null=True)),
                ('problem', models.CharField(blank=True, max_length=200)),
            ],
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['verb', '-id'], name='event_by_verb'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['object_name', '-id'], name='event_by_object'),
        ),
    ]
