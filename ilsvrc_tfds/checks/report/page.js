"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const element = (id) => document.getElementById(id);
  const sheet = element("sheet"), count = element("count"), more = element("more"), tools = element("tools");
  const search = element("search"), split = element("split"), order = element("order"), boxes = element("boxes");
  const STEP = 96;
  const number = (value) => value.toLocaleString("en");
  const [SPLIT, LABEL, NAME, WIDTH, HEIGHT, BYTES, KIND, IMAGE, BOXES] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  const words = (item) => (item[LABEL] < 0 ? "no class" : data.classes[item[LABEL]][1].split(",")[0]);
  const text = data.items.map((item) => {
    const own = item[LABEL] < 0 ? "" : `${data.classes[item[LABEL]].join(" ")} ${item[LABEL]}`;
    return `${own} ${item[NAME]}`.toLowerCase();
  });
  // A fixed order that looks like none.
  const mixed = (k) => Math.imul(k + 1, 2654435761) >>> 0;
  const keys = {
    mixed: (k) => mixed(k),
    class: (k) => (data.items[k][LABEL] < 0 ? 1000 : data.items[k][LABEL]),
    bytes: (k) => -data.items[k][BYTES],
    pixels: (k) => data.items[k][WIDTH] * data.items[k][HEIGHT],
    shape: (k) => data.items[k][WIDTH] / data.items[k][HEIGHT],
  };
  let found = [], shown = 0;

  const make = (tag, name, content) => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (content !== undefined) made.textContent = content;
    return made;
  };

  const outline = (own) => {
    const space = "http://www.w3.org/2000/svg", svg = document.createElementNS(space, "svg");
    svg.setAttribute("viewBox", "0 0 1 1");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    for (const [xmin, ymin, xmax, ymax] of own) {
      for (const name of ["out", "in"]) {
        const rect = document.createElementNS(space, "rect");
        rect.setAttribute("class", name);
        for (const [key, value] of [["x", xmin], ["y", ymin], ["width", xmax - xmin], ["height", ymax - ymin]])
          rect.setAttribute(key, value);
        svg.append(rect);
      }
    }
    return svg;
  };

  const tile = (item) => {
    const made = make("li", "tile"), mat = make("div", "mat");
    if (item[IMAGE]) {
      const picture = make("div", "pic"), image = make("img");
      image.src = `data:image/webp;base64,${item[IMAGE]}`;
      image.alt = `${words(item)}, ${item[NAME]}`;
      image.decoding = "async";
      picture.append(image);
      if (item[BOXES].length) picture.append(outline(item[BOXES]));
      mat.append(picture);
    } else mat.append(make("span", "none", "no picture"));
    const label = item[LABEL] < 0 ? "" : data.classes[item[LABEL]][0];
    const about = `${data.splits[item[SPLIT]]}, ${number(item[WIDTH])}\u00a0×\u00a0${number(item[HEIGHT])}`;
    made.append(mat, make("p", "words", words(item)));
    if (label) made.append(make("p", "more-of", label));
    const name = make("p", "name");
    for (const piece of item[NAME].split(/(?<=_)|(?=\.)/)) name.append(piece, make("wbr"));
    made.append(make("p", "more-of", about), name);
    const title = item[LABEL] < 0 ? "" : `class ${item[LABEL]}: ${data.classes[item[LABEL]][1]}\n`;
    made.title = `${title}${data.kinds[item[KIND]]}, ${number(item[BYTES])} bytes`;
    return made;
  };

  const show = (most) => {
    const next = document.createDocumentFragment();
    for (const k of found.slice(shown, most)) next.append(tile(data.items[k]));
    sheet.append(next);
    shown = Math.min(most, found.length);
    more.hidden = shown >= found.length;
    more.textContent = `Show ${Math.min(STEP, found.length - shown)} more`;
    const all = found.length === data.items.length ? "" : ` of ${number(data.items.length)}`;
    count.textContent = found.length
      ? `${number(found.length)}${all} ${found.length === 1 && !all ? "picture" : "pictures"}, ${number(shown)} shown`
      : "No picture matches.";
  };

  const update = () => {
    const tokens = search.value.toLowerCase().split(/[\s,]+/).filter(Boolean);
    const wanted = split.value === "" ? -1 : Number(split.value), key = keys[order.value];
    found = data.items.map((_, k) => k).filter(
      (k) => (wanted < 0 || data.items[k][SPLIT] === wanted) && tokens.every((token) => text[k].includes(token)));
    const by = new Map(found.map((k) => [k, key(k)]));
    found.sort((a, b) => by.get(a) - by.get(b) || a - b);
    sheet.replaceChildren();
    shown = 0;
    show(STEP);
  };

  tools.hidden = false;
  tools.addEventListener("submit", (event) => event.preventDefault());
  search.addEventListener("input", update);
  split.addEventListener("change", update);
  order.addEventListener("change", update);
  more.addEventListener("click", () => {
    const first = shown;
    show(shown + STEP);
    const next = sheet.children[first];
    if (next) { next.tabIndex = -1; next.focus({ preventScroll: true }); }
  });
  if (boxes) boxes.addEventListener("change", () => document.body.classList.toggle("no-boxes", !boxes.checked));
  // A link in the table of classes searches its class.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-search]");
    if (!link) return;
    search.value = link.dataset.search;
    split.value = "";
    update();
  });
  update();
})();
