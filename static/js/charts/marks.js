// The marks of states, drawn on a canvas the way icons.svg draws them.

const STAR = Array.from({ length: 10 }, (_, k) => {
  const angle = (Math.PI * k) / 5 - Math.PI / 2;
  const reach = k % 2 === 0 ? 1 : 0.46;
  return [Math.cos(angle) * reach, Math.sin(angle) * reach];
});

function starPath(ctx, x, y, radius) {
  ctx.beginPath();
  STAR.forEach(([dx, dy], k) => {
    if (k === 0) ctx.moveTo(x + dx * radius, y + dy * radius);
    else ctx.lineTo(x + dx * radius, y + dy * radius);
  });
  ctx.closePath();
}

export function star(ctx, x, y, radius, color, halo) {
  starPath(ctx, x, y, radius);
  ctx.lineJoin = "round";
  if (halo) {
    ctx.lineWidth = 4;
    ctx.strokeStyle = halo;
    ctx.stroke();
  }
  ctx.fillStyle = color;
  ctx.fill();
}

export function dot(ctx, x, y, radius, color, halo) {
  if (halo) {
    ctx.beginPath();
    ctx.arc(x, y, radius + 1.5, 0, Math.PI * 2);
    ctx.fillStyle = halo;
    ctx.fill();
  }
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, Math.PI * 2);
  ctx.fillStyle = color;
  ctx.fill();
}

export function ring(ctx, x, y, radius, color, ground) {
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, Math.PI * 2);
  ctx.fillStyle = ground;
  ctx.fill();
  ctx.lineWidth = 1.6;
  ctx.strokeStyle = color;
  ctx.stroke();
}

function halfDisc(ctx, x, y, radius, color, ground) {
  ring(ctx, x, y, radius, color, ground);
  ctx.beginPath();
  ctx.arc(x, y, radius, -Math.PI / 2, Math.PI / 2);
  ctx.closePath();
  ctx.fillStyle = color;
  ctx.fill();
}

export function cross(ctx, x, y, radius, color, halo) {
  ctx.lineCap = "round";
  for (const [width, paint] of [[5, halo], [1.8, color]]) {
    if (!paint) continue;
    ctx.beginPath();
    ctx.moveTo(x - radius, y - radius);
    ctx.lineTo(x + radius, y + radius);
    ctx.moveTo(x + radius, y - radius);
    ctx.lineTo(x - radius, y + radius);
    ctx.lineWidth = width;
    ctx.strokeStyle = paint;
    ctx.stroke();
  }
}

function barred(ctx, x, y, radius, color, ground) {
  ring(ctx, x, y, radius, color, ground);
  ctx.beginPath();
  ctx.moveTo(x + radius * 0.7, y - radius * 0.7);
  ctx.lineTo(x - radius * 0.7, y + radius * 0.7);
  ctx.stroke();
}

// The mark of a trial's state without a line, as in best-so-far.
export function stateMark(ctx, state, x, y, palette) {
  ctx.save();
  ctx.setLineDash([]);
  const { surface, fill } = palette;
  if (state === "best") star(ctx, x, y, 8, fill.best, surface);
  else if (state === "running") ring(ctx, x, y, 3.4, fill.running, surface);
  else if (state === "terminated") halfDisc(ctx, x, y, 3.7, fill.terminated, surface);
  else if (state === "failed") cross(ctx, x, y, 3.2, fill.failed, surface);
  else if (state === "cancelled") barred(ctx, x, y, 3.4, palette.ink3, surface);
  else if (state === "completed") dot(ctx, x, y, 3, fill.completed);
  else ring(ctx, x, y, 3.2, palette.line2, surface);
  ctx.restore();
}

// Text with a halo of the ground, so that it stays readable over lines.
export function haloText(ctx, text, x, y, { color, halo, font, align = "left" }) {
  ctx.save();
  ctx.font = font;
  ctx.textAlign = align;
  ctx.textBaseline = "middle";
  ctx.lineJoin = "round";
  ctx.lineWidth = 3.5;
  ctx.strokeStyle = halo;
  ctx.strokeText(text, x, y);
  ctx.fillStyle = color;
  ctx.fillText(text, x, y);
  ctx.restore();
}

export function roundedBox(ctx, { x, y, width, height }, radius, { fill, stroke }) {
  ctx.save();
  ctx.setLineDash([]);
  ctx.beginPath();
  ctx.roundRect(x, y, width, height, radius);
  if (fill) {
    ctx.fillStyle = fill;
    ctx.fill();
  }
  if (stroke) {
    ctx.lineWidth = 1.5;
    ctx.strokeStyle = stroke;
    ctx.stroke();
  }
  ctx.restore();
}
