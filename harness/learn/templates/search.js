const search = document.getElementById("search");
const rows = [...document.querySelectorAll("tbody tr")];
function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const row of rows) {
    const own = row.dataset.words.split(" ");
    const shown = words.every((word) => own.some((each) => each.startsWith(word)));
    row.hidden = !shown;
    count += shown;
  }
  document.getElementById("count").textContent = count;
}
search.addEventListener("input", filter);
