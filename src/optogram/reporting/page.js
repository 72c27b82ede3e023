// The viewer of each photo: one map at a time over the photo, with an opacity slider.
// Without JavaScript the viewers stay hidden; all maps are on the page in any case.
for (const viewer of document.querySelectorAll(".viewer")) {
  const stack = viewer.querySelector(".stack");
  const slider = viewer.querySelector("input[type=range]");
  const update = () => {
    const [row, method] = [...viewer.querySelectorAll("fieldset")].map(
      (set) => set.querySelector("input:checked").value,
    );
    for (const layer of stack.querySelectorAll(".layer")) {
      layer.hidden = layer.dataset.row !== row || layer.dataset.method !== method;
    }
    stack.style.setProperty("--opacity", slider.value / 100);
  };
  viewer.addEventListener("input", update);
  viewer.hidden = false;
  update();
}

// The printed page shows the table of layers, too.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
