// Makes or asks for a passkey, and sends its answer with the button's form.

const TOO_OLD =
  "Passkeys need a newer browser, and https. Use another factor, or another browser.";

function problemOf(error) {
  if (error.name === "InvalidStateError") return "This passkey was added before.";
  if (error.name === "NotAllowedError") return "The passkey was not used. Try again.";
  return error.name === "TypeError" ? TOO_OLD : error.message;
}

function ask(kind) {
  const data = document.getElementById("passkey-options");
  const options = JSON.parse(data.textContent).publicKey;
  const read = window.PublicKeyCredential;
  return kind === "create"
    ? navigator.credentials.create({ publicKey: read.parseCreationOptionsFromJSON(options) })
    : navigator.credentials.get({ publicKey: read.parseRequestOptionsFromJSON(options) });
}

for (const button of document.querySelectorAll("[data-passkey]")) {
  const form = button.form;
  const problem = form.querySelector("[data-passkey-problem]");
  button.addEventListener("click", async () => {
    problem.hidden = true;
    try {
      const answer = await ask(button.dataset.passkey);
      form.querySelector("[data-passkey-answer]").value = JSON.stringify(answer);
      form.requestSubmit();
    } catch (error) {
      problem.textContent = problemOf(error);
      problem.hidden = false;
    }
  });
}
