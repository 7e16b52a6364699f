"use strict";
(() => {
  const rows = [...document.querySelectorAll("#classes-rows tr")];
  const count = document.getElementById("count");
  document.getElementById("tools").hidden = false;
  document.getElementById("tools").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("search").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    let found = 0;
    for (const row of rows) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
      found += !row.hidden;
    }
    count.textContent = wanted ? `${found.toLocaleString("en")} of ${rows.length.toLocaleString("en")} classes` : "";
  });
})();
