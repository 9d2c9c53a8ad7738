"""All scenarios by name, with the size in which each is run by default."""

from __future__ import annotations

from tests.chaos.case import Scenario
from tests.chaos.clocks import clock_chaos, no_clocks
from tests.chaos.crowds import delete_live, log_flood, metric_flood, stop_storm
from tests.chaos.disks import disk_full, queue_full
from tests.chaos.kills import chaos, each_failpoint, failpoints
from tests.chaos.nasty import SCRIPTS, fast_fail, nasty_scripts
from tests.chaos.outages import (
    db_away,
    db_locked,
    db_restart,
    queue_amnesia,
    queue_outage,
    site_away,
    web_down,
)
from tests.chaos.power import power_cut
from tests.chaos.restores import restore
from tests.chaos.slots import slots
from tests.chaos.soak import soak
from tests.chaos.splits import (
    dup_delivery,
    freeze,
    split_brain,
    split_ride_out,
    two_brains,
)
from tests.chaos.volumes import no_small_disks

POSTGRES, SQLITE = ("postgres",), ("sqlite",)
SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("chaos", chaos, 200),
        Scenario("failpoints", failpoints, 20),
        Scenario("each-failpoint", each_failpoint, 3),
        Scenario("queue-amnesia", queue_amnesia, 40),
        Scenario("queue-outage", queue_outage, 30),
        Scenario("queue-full", queue_full, 20),
        Scenario("disk-full", disk_full, 12, obstacle=no_small_disks),
        Scenario("db-restart", db_restart, 10, POSTGRES),
        Scenario("db-away", db_away, 20, POSTGRES),
        Scenario("db-locked", db_locked, 25, SQLITE),
        Scenario("web-down", web_down, 20),
        Scenario("site-away", site_away, 20),
        Scenario("split-brain", split_brain, 25),
        Scenario("split-ride-out", split_ride_out, 25),
        Scenario("freeze", freeze, 25),
        Scenario("clock-chaos", clock_chaos, 24, obstacle=no_clocks),
        Scenario("dup-delivery", dup_delivery, 12),
        Scenario("two-brains", two_brains, 100),
        Scenario("nasty-scripts", nasty_scripts, len(SCRIPTS)),
        Scenario("fast-fail", fast_fail, 500),
        Scenario("stop-storm", stop_storm, 20),
        Scenario("delete-live", delete_live, 2),
        Scenario("log-flood", log_flood, 10),
        Scenario("metric-flood", metric_flood, 8),
        Scenario("slots", slots, 500, POSTGRES),
        Scenario("soak", soak, 1800),
        Scenario("power-cut", power_cut, 500, SQLITE),
        Scenario("restore", restore, 20),
    )
}
