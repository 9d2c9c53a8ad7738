"""Reports as losses, in the order that policies ask for, and what verdicts rest on."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Case, F, FloatField, OuterRef, Subquery, Value, When
from django.db.models.functions import Coalesce

INFINITY = float("inf")
COLUMNS = {"best": "best_loss", "mean": "mean_loss"}


def fill_losses(apps, schema_editor):
    """Losses are the values of the metric, with the sign turned when maximising."""
    report, trial = (apps.get_model("experiments", name) for name in ("Report", "Trial"))
    number = trial.objects.filter(pk=OuterRef("trial_id")).values("number")[:1]
    for goal, sign in (("minimize", 1.0), ("maximize", -1.0)):
        losses = {
            loss: Coalesce(F(value) * sign, Value(INFINITY), output_field=FloatField())
            for value, loss in COLUMNS.items()
        }
        report.objects.filter(sweep__goal=goal).update(
            number=Subquery(number), **losses
        )


def fill_values(apps, schema_editor):
    report = apps.get_model("experiments", "Report")
    for goal, sign in (("minimize", 1.0), ("maximize", -1.0)):
        values = {
            value: Case(
                When(**{f"{loss}__lt": INFINITY}, then=F(loss) * sign),
                default=None,
                output_field=FloatField(),
            )
            for value, loss in COLUMNS.items()
        }
        report.objects.filter(sweep__goal=goal).update(**values)


class Migration(migrations.Migration):

    dependencies = [("experiments", "0001_initial")]

    operations = [
        migrations.AddField(
            "report", "number", models.PositiveIntegerField(default=0), False
        ),
        migrations.AddField("report", "best_loss", models.FloatField(default=0.0), False),
        migrations.AddField("report", "mean_loss", models.FloatField(default=0.0), False),
        migrations.RunPython(fill_losses, fill_values),
        migrations.RemoveField("report", "best"),
        migrations.RemoveField("report", "mean"),
        migrations.RemoveIndex("report", "report_by_n"),
        migrations.AlterField(
            "report",
            "number",
            models.PositiveIntegerField(verbose_name="trial's number"),
        ),
        migrations.AlterField(
            "report",
            "sweep",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="reports",
                to="experiments.sweep",
            ),
        ),
        migrations.AlterField(
            "report",
            "trial",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="report_set",
                to="experiments.trial",
            ),
        ),
        migrations.AddIndex(
            "report",
            models.Index(
                fields=["sweep", "n", "best_loss", "number"], name="report_by_best"
            ),
        ),
        migrations.AddIndex(
            "report",
            models.Index(
                fields=["sweep", "n", "mean_loss", "number"], name="report_by_mean"
            ),
        ),
        migrations.CreateModel(
            name="RankBlock",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("n", models.PositiveIntegerField()),
                (
                    "measure",
                    models.PositiveSmallIntegerField(
                        choices=[(0, "Best"), (1, "Mean")]
                    ),
                ),
                ("low", models.FloatField()),
                ("high", models.FloatField()),
                ("count", models.IntegerField(default=0)),
                (
                    "sweep",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rank_blocks",
                        to="experiments.sweep",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            "rankblock",
            models.UniqueConstraint(
                fields=("sweep", "n", "measure", "low"), name="rank_block_once"
            ),
        ),
        migrations.RemoveIndex("trial", "trial_by_value"),
        migrations.AddIndex(
            "trial",
            models.Index(fields=["sweep", "state", "number"], name="trial_by_state"),
        ),
        migrations.AddIndex(
            "trial", models.Index(fields=["sweep", "value"], name="trial_by_best")
        ),
        migrations.AddField("decision", "facts", models.JSONField(default=dict)),
        migrations.AddField(
            "pool",
            "price_per_hour",
            models.DecimalField(
                blank=True,
                decimal_places=4,
                help_text="In your currency, such as 1.2. Empty: time is not counted"
                " as money.",
                max_digits=10,
                null=True,
                validators=[django.core.validators.MinValueValidator(0)],
                verbose_name="price of one slot for an hour",
            ),
        ),
    ]
