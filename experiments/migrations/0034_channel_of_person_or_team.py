from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0033_leaving_workers'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='notificationchannel',
            name='channel_of_person_or_team',
        ),
    ]
