// A form that met the login page: this tab keeps it while the provider asks who is there.

const KEY = "sent-form";
const kept = sessionStorage.getItem(KEY);
sessionStorage.removeItem(KEY);

const leave = document.querySelector("[data-sent-next]");
leave?.addEventListener("click", () => {
  sessionStorage.setItem(KEY, document.querySelector("[name=sent_form]").value);
  const url = new URL(leave.href);
  url.searchParams.set("next", leave.dataset.sentNext);
  leave.href = url;
});

const form = document.querySelector("[data-sends-kept]");
if (form && kept) {
  form.elements.sent_form.value = kept;
  form.submit();
}
