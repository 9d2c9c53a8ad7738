// The ⋯ menu of a chart's card: the data as a table, the chart as a picture.

import { palette } from "./defaults.js";

// An image needs a background: the canvas is transparent.
function savePicture(card, canvas) {
  const copy = document.createElement("canvas");
  copy.width = canvas.width;
  copy.height = canvas.height;
  const ctx = copy.getContext("2d");
  ctx.fillStyle = palette().surface;
  ctx.fillRect(0, 0, copy.width, copy.height);
  ctx.drawImage(canvas, 0, 0);
  const link = document.createElement("a");
  link.download = `${card.id}.png`;
  link.href = copy.toDataURL("image/png");
  link.click();
}

// canvasOf(): the canvas to save, if there is one.
export function wireCardMenu(card, canvasOf) {
  const place = card.querySelector("[data-chart-data]");
  const toggle = card.querySelector("[data-chart-table]");
  toggle?.addEventListener("click", () => {
    const shown = !place.classList.toggle("visually-hidden");
    toggle.setAttribute("aria-pressed", String(shown));
    toggle.textContent = shown ? "Hide the table" : "Show the data as a table";
  });
  card.querySelector("[data-chart-png]")?.addEventListener("click", () => {
    const canvas = canvasOf();
    if (canvas) savePicture(card, canvas);
  });
}

