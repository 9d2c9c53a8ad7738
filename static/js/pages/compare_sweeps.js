// The page that compares sweeps: its charts, and the switch.

import { mountCharts } from "../charts/mount.js";

mountCharts();
for (const box of document.querySelectorAll("[data-go]")) {
  box.addEventListener("change", () => location.assign(box.dataset.go));
}
