"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const key = (row, i) => { const c = row.cells[i]; return c.dataset.sort ?? c.querySelector("data")?.value ?? c.textContent.trim(); };
  heads.forEach((head, i) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.onclick = () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].sort((a, b) => {
        const x = key(a, i), y = key(b, i), n = Number(x) - Number(y);
        return (x !== "" && y !== "" && !Number.isNaN(n) ? n : x.localeCompare(y)) * (up ? 1 : -1);
      });
      body.append(...rows);
    };
  });
}
