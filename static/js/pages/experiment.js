// An experiment's page: its chart comes to life.

import { applyDefaults } from "../charts/defaults.js";
import { mountCharts } from "../charts/mount.js";

applyDefaults();
mountCharts();
