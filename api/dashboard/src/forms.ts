/** Keep a form from being sent twice, and say that it is on its way. */
export function guardForms(root: Document): void {
  root.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || form.method !== "post") return;
    if (form.dataset["sent"] === "yes") {
      event.preventDefault();
      return;
    }
    form.dataset["sent"] = "yes";
    const button = event.submitter;
    const label = button?.querySelector(".kern-label");
    const busy = button?.dataset["busyLabel"];
    if (label && busy) label.textContent = busy;
    button?.setAttribute("aria-disabled", "true");
  });
  // A page taken back from the browser's cache must be usable again.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) window.location.reload();
  });
}
