// Saved views: their forms send what the page shows now, which its scripts keep in the
// address.

const NOT_OF_A_VIEW = new Set(["view", "page", "since", "from", "count"]);

// The part of an address that a view keeps. As on the server.
export function viewQuery(search) {
  const kept = [...new URLSearchParams(search)].filter(([name]) => !NOT_OF_A_VIEW.has(name));
  return new URLSearchParams(kept).toString();
}

function sent(form, query) {
  form.elements.query.value = query;
}

function wire(menu) {
  const refresh = () => {
    const query = viewQuery(location.search);
    for (const form of menu.querySelectorAll("[data-view-form]")) sent(form, query);
    const changed = "view" in menu.dataset && query !== viewQuery(menu.dataset.views);
    menu.querySelector("[data-view-changed]").hidden = !changed;
  };
  menu.addEventListener("beforetoggle", refresh, true);
  menu.addEventListener("submit", refresh, true);
}

if (globalThis.document) for (const menu of document.querySelectorAll("[data-views]")) wire(menu);
