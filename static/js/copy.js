// Buttons that copy. [data-copy] copies the [data-copy-source] next to it (or its own
// data-copy value); [data-copy-shown] the shown panel of its [data-tabs]. They also carry
// data-needs-scripts, which hides them where scripts do not run.

const SHOWN_FOR = 1600;

// What a button copies, or null.
function sourceOf(button) {
  if (button.dataset.copy) return button.dataset.copy;
  if ("copyShown" in button.dataset) {
    return button.closest("[data-tabs]")?.querySelector(".tab-panel.is-active pre")?.textContent ?? null;
  }
  return button.parentElement.querySelector("[data-copy-source]")?.textContent ?? null;
}

async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // plain http and denied permission both end here
  }
}

function selectSource(button) {
  const source = button.closest("[data-tabs]")?.querySelector(".tab-panel.is-active pre")
    ?? button.parentElement.querySelector("[data-copy-source]");
  if (source) getSelection().selectAllChildren(source);
  return Boolean(source);
}

async function copy(button) {
  const text = sourceOf(button);
  if (text === null) return;
  const done = await write(text);
  const said = done ? "Copied" : selectSource(button) ? "Press Ctrl+C" : "Not copied";
  const before = button.dataset.words ?? button.textContent;
  button.dataset.words = before;
  button.textContent = said;
  setTimeout(() => {
    button.textContent = before;
  }, SHOWN_FOR);
}

export function wireCopy(root = document) {
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-copy-shown]");
    if (button) copy(button);
  });
}
