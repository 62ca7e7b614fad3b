// Pictures large, in a dialog: a click on what has the class `enlarge` shows a copy of it.

/** A button that shows pictures large, with a caption, when it is clicked. */
function enlargeable(caption, ...pictures) {
  return make("button", { type: "button", class: "enlarge", "data-caption": caption, "aria-label": `Enlarge: ${caption}` }, ...pictures);
}

const large = $("#large"); // a modal dialog: Escape closes it, and the focus goes back to the button

document.addEventListener("click", (event) => {
  const button = event.target.closest(".enlarge");
  if (!button) return;
  const pictures = [...button.children].map((child) => child.cloneNode(true));
  $(".pictures", large).replaceChildren(...pictures);
  $(".pictures", large).style.setProperty("--count", pictures.length);
  $(".caption", large).textContent = button.dataset.caption;
  large.showModal();
});
large.addEventListener("click", () => large.close());
large.addEventListener("close", () => $(".pictures", large).replaceChildren());
