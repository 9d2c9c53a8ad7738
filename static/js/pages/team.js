// A team's page: a role is sent as soon as it is picked.

for (const button of document.querySelectorAll("[data-hide-with-scripts]")) button.hidden = true;

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-send-on-change]")) event.target.form.requestSubmit();
});
