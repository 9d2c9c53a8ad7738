// Suggestions above the charts: loaded if they were not known at once, and dismissed in
// place.

async function send(url, options = {}) {
  const answer = await fetch(url, { credentials: "same-origin", ...options });
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
  return answer;
}

function wire(place) {
  const form = place.querySelector("[data-dismiss]");
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await send(`${form.action}?part=1`, { method: "POST", body: new FormData(form) });
      place.replaceChildren();
    } catch {
      form.submit();
    }
  });
}

export async function wireAdvice(root = document) {
  const place = root.querySelector("[data-advice-place]");
  const url = place?.querySelector("[data-advice]")?.dataset.advice;
  try {
    if (url) place.innerHTML = (await (await send(url)).text()).trim();
  } catch (problem) {
    console.warn(`${url}: ${problem}`);
  }
  if (place) wire(place);
}
