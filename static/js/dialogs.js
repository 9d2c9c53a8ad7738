// Opens <dialog> elements for links with data-dialog-open="ID". A modified click, or a
// missing dialog, follows the link to the page that asks the same question.

export function wireDialogs(root = document) {
  root.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog-open]");
    if (opener && !event.defaultPrevented && !event.ctrlKey && !event.metaKey) open(opener, event);
    const closer = event.target.closest("[data-dialog-close]");
    if (closer) close(closer, event);
    if (event.target.matches("dialog.dialog")) event.target.close();
  });
}

function open(opener, event) {
  const dialog = document.getElementById(opener.dataset.dialogOpen);
  if (!(dialog instanceof HTMLDialogElement)) return;
  event.preventDefault();
  const row = opener.closest("tr, li");
  row?.classList.add("is-marked");
  dialog.showModal();
  dialog.querySelector("[data-dialog-close]")?.focus({ focusVisible: true });
  dialog.addEventListener("close", () => closed(row, opener), { once: true });
}

function closed(row, opener) {
  row?.classList.remove("is-marked");
  opener.focus();
}

function close(closer, event) {
  const dialog = closer.closest("dialog");
  if (!dialog) return;
  event.preventDefault();
  dialog.close();
}
