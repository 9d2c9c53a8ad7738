// A team's page: choosing a role saves it.

for (const button of document.querySelectorAll("[data-hide-with-scripts]")) button.hidden = true;

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-send-on-change]")) event.target.form.requestSubmit();
});
