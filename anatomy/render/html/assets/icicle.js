// Parameters by module: hover or focus says how many, a click or Enter zooms in, the box filters, arrows walk.
document.querySelectorAll("figure.icicle").forEach((figure) => {
  const tiles = [...figure.querySelectorAll(".tile")];
  const said = figure.querySelector(".readout");
  const box = figure.querySelector("input");
  const whole = figure.querySelector(".whole");
  const total = Number(figure.dataset.total);
  const at = (tile) => ({
    tile, start: Number(tile.dataset.start), size: Number(tile.dataset.value), row: Number(tile.dataset.row),
  });
  const all = tiles.map(at);
  const parents = [];
  all.forEach((one, index) => {
    parents.push([...all.slice(0, index)].reverse().find((other) => other.row === one.row - 1) || null);
  });
  const tell = (tile) => { said.textContent = tile.getAttribute("aria-label"); };

  const zoom = (to) => {
    all.forEach((one) => {
      const left = (one.start - to.start) / to.size;
      const right = (one.start + one.size - to.start) / to.size;
      const inside = one.row >= to.row ? left > -1e-9 && right < 1 + 1e-9 : left <= 1e-9 && right >= 1 - 1e-9;
      one.tile.classList.toggle("gone", !inside || !to.size);
      const [from, until] = [Math.max(0, left), Math.min(1, right)];
      one.tile.style.left = `${100 * from}%`;
      one.tile.style.width = `${100 * (until - from)}%`;
      one.tile.classList.toggle("narrow", (until - from) * figure.clientWidth < 24);
    });
    whole.disabled = to === all[0];
    tell(to.tile);
  };

  const walk = (index, key) => {
    const { row } = all[index];
    const visible = (other) => !all[other].tile.classList.contains("gone");
    const peers = all.map((_, other) => other).filter((other) => all[other].row === row && visible(other));
    if (key === "ArrowRight") return peers[peers.indexOf(index) + 1];
    if (key === "ArrowLeft") return peers[peers.indexOf(index) - 1];
    if (key === "ArrowUp") return all.indexOf(parents[index]);
    return parents.findIndex((parent, other) => parent === all[index] && visible(other));
  };
  const focus = (index) => {
    tiles.forEach((tile, other) => { tile.tabIndex = other === index ? 0 : -1; });
    tiles[index].focus();
  };

  tiles.forEach((tile, index) => {
    tile.tabIndex = index ? -1 : 0;
    tile.addEventListener("pointerenter", () => tell(tile));
    tile.addEventListener("focus", () => tell(tile));
    tile.addEventListener("click", () => zoom(all[index]));
    tile.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { zoom(all[0]); return; }
      if (!event.key.startsWith("Arrow")) return;
      event.preventDefault();
      const next = walk(index, event.key);
      if (next >= 0) focus(next);
    });
  });

  box.disabled = false;
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const hit = all.map((one) => words.every((word) => one.tile.dataset.words.includes(word)));
    const inHit = (index) => {
      for (let up = parents[index]; up; up = parents[all.indexOf(up)]) if (hit[all.indexOf(up)]) return true;
      return false;
    };
    let [count, sum] = [0, 0];
    all.forEach((one, index) => {
      one.tile.classList.toggle("dim", words.length > 0 && !hit[index]);
      if (hit[index]) count += 1;
      if (hit[index] && !inHit(index)) sum += one.size;
    });
    said.textContent = words.length
      ? `${count} of ${all.length} modules: ${sum.toLocaleString("en")} parameters, ${(100 * sum / total).toFixed(2)} %` : "";
  });
  whole.addEventListener("click", () => { zoom(all[0]); focus(0); });
  zoom(all[0]);
});
