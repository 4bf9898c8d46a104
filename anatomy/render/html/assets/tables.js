// Tables: a click on a head sorts, a box filters. A total stays where it is, and says when rows are hidden.
(() => {
  const value = (row, at) => {
    const cell = row.cells[at];
    return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
  };
  const before = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  };

  const sortable = (table) => {
    const body = table.tBodies[0];
    const given = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, at) => {
      if (!head.textContent || !given.some((row) => row.cells[at].textContent.trim())) return;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        const next = now === null ? "ascending" : now === "ascending" ? "descending" : null;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        const sign = next === "descending" ? -1 : 1;
        const rows = next === null ? given : [...given].sort((a, b) => {
          const [x, y] = [value(a, at), value(b, at)];
          return x === "" || y === "" ? before(x, y) : sign * before(x, y);
        });
        if (next !== null) head.setAttribute("aria-sort", next);
        body.append(...rows);
      });
    });
  };

  const filterable = (table) => {
    const rows = [...table.tBodies[0].rows];
    const tools = document.createElement("p");
    tools.className = "tools";
    const label = document.createElement("label");
    label.textContent = "Filter rows ";
    const box = document.createElement("input");
    box.type = "search";
    box.id = `${table.id}-filter`;
    box.autocomplete = "off";
    label.htmlFor = box.id;
    const said = document.createElement("span");
    said.setAttribute("role", "status");
    box.addEventListener("input", () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        const fits = words.every((word) => text.includes(word));
        row.classList.toggle("hidden", !fits);
        shown += fits;
      }
      const total = table.tFoot ? "; the total is of all" : "";
      said.textContent = words.length ? `${shown} of ${rows.length} rows${total}` : "";
    });
    tools.append(label, box, said);
    table.closest(".table").prepend(tools);
  };

  document.querySelectorAll("table[data-sortable]").forEach(sortable);
  document.querySelectorAll("table[data-filterable]").forEach(filterable);

  for (const box of document.querySelectorAll(".scatter")) {
    const said = box.querySelector("[role=status]");
    box.addEventListener("pointerover", (event) => {
      if (event.target.dataset.said) said.textContent = event.target.dataset.said;
    });
  }
})();
