// A page of one card, whose charts are there from the start.

import { mountCharts } from "../charts/mount.js";

mountCharts();
