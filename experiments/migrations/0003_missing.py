from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0002_browser_sessions'),
    ]

    operations = [
        migrations.AddField(
            model_name='attempt',
            name='missing',
            field=models.JSONField(blank=True, editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name='attempt',
            index=models.Index(condition=models.Q(('missing__isnull', False)), fields=['trial'], name='attempt_incomplete'),
        ),
    ]
