// The page of a sweep's failures: its chart.

import { mountCharts } from "../charts/mount.js";

mountCharts();
