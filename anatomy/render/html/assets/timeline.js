// The memory timeline: a cursor that says what is alive, and categories to show and hide. It reads its own table.
document.querySelectorAll("figure.timeline").forEach((figure) => {
  const field = figure.querySelector(".field");
  const cursor = field.querySelector(".cursor");
  const [line, list] = figure.querySelector(".readout").children;
  const areas = [...field.querySelectorAll(".area")];
  const buttons = [...figure.querySelectorAll(".legend button")];
  const rows = [...figure.querySelector(".behind table").tBodies[0].rows];
  const number = (cell) => Number(cell.dataset.value);
  const stacks = rows.map((row) => [...row.cells].slice(4).map(number));
  const top = Number(figure.dataset.top);
  const y = (level) => (1000 - 1000 * level / top).toFixed(1);
  const shown = areas.map(() => true);

  const draw = () => {
    const below = rows.map(() => 0);
    areas.forEach((area, kind) => {
      const above = below.map((level, at) => level + (shown[kind] ? stacks[at][kind] : 0));
      let path = `M0 ${y(above[0])}`;
      above.forEach((level, at) => { path += `V${y(level)}H${at + 1}`; });
      for (let at = below.length - 1; at >= 0; at -= 1) path += `V${y(below[at])}H${at}`;
      area.setAttribute("d", `${path}Z`);
      above.forEach((level, at) => { below[at] = level; });
    });
  };

  const move = (to) => {
    const at = Math.max(0, Math.min(rows.length - 1, to));
    const cells = rows[at].cells;
    const said = `${cells[0].textContent}: ${cells[2].textContent} in use, ${cells[3].textContent} reserved`;
    field.setAttribute("aria-valuenow", at);
    cursor.setAttribute("d", `M${at + 0.5} 0V1000`);
    const parts = areas.map((area, kind) => [area.dataset.category, cells[kind + 4], kind])
      .filter(([, cell, kind]) => shown[kind] && number(cell));
    field.setAttribute("aria-valuetext", `${said}; ${parts.map(([name, cell]) => `${name} ${cell.textContent}`).join(", ")}`);
    line.textContent = said;
    list.replaceChildren(...parts.map(([name, cell]) => {
      const pair = document.createElement("div");
      const [term, size] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = name;
      size.textContent = cell.textContent;
      pair.append(term, size);
      return pair;
    }));
  };

  const now = () => Number(field.getAttribute("aria-valuenow"));
  const follow = (event) => {
    const box = field.getBoundingClientRect();
    move(Math.floor((event.clientX - box.left) / box.width * rows.length));
  };
  field.addEventListener("pointermove", follow);
  field.addEventListener("pointerdown", follow);
  const phase = (from, step) => {
    const name = rows[from].cells[0].textContent;
    let at = from;
    while (at + step >= 0 && at + step < rows.length && rows[at].cells[0].textContent === name) at += step;
    return at;
  };
  const keys = {
    ArrowRight: (at) => at + 1, ArrowUp: (at) => at + 1, ArrowLeft: (at) => at - 1, ArrowDown: (at) => at - 1,
    Home: () => 0, End: () => rows.length - 1, PageDown: (at) => phase(at, 1), PageUp: (at) => phase(at, -1),
  };
  field.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    move(keys[event.key](now()));
  });

  buttons.forEach((button, kind) => {
    button.disabled = false;
    button.addEventListener("click", () => {
      shown[kind] = !shown[kind];
      button.setAttribute("aria-pressed", String(shown[kind]));
      draw();
      move(now());
    });
  });
});
