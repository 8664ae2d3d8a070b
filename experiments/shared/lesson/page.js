"use strict";
// A view of what Python computed (experiments/shared/lesson).  This file computes no result: it
// reads numbers out of the page's JSON, and paints and writes them where the reader points.

const lesson = JSON.parse(document.getElementById("lesson").textContent);
const find = (selector, inside = document) => inside.querySelector(selector);
const findAll = (selector, inside = document) => [...inside.querySelectorAll(selector)];
const state = {digit: lesson.first, label: lesson.label, frame: 0, units: {}, timer: null};
const digit = () => lesson.digits[state.digit];
const search = () => digit().search[state.label];

// ---- Numbers and elements ----------------------------------------------------------------------

/** The numbers that encode.py has written in base64; null stands for no numbers. */
function decode(text, Type = Float32Array) {
  if (text === null) return null;
  return new Type(Uint8Array.from(atob(text), character => character.charCodeAt(0)).buffer);
}

/** The numbers of array i of a pass.  Where they are the same as those before, they are null. */
function readArray(pass, i) {
  return decode(pass.arrays[i]) ?? readArray(pass, i - 1);
}

const format = number => number.toPrecision(4);

function make(tag, attributes = {}, ...children) {
  const isSvg = ["path", "circle", "text"].includes(tag);
  const space = `http://www.w3.org/${isSvg ? "2000/svg" : "1999/xhtml"}`;
  const element = document.createElementNS(space, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function makeRow(cells, kind = "", tag = "td") {
  return make("tr", {class: kind}, ...cells.map(cell => make(tag, {}, cell)));
}

function makeButton(text, listener) {
  return Object.assign(make("button", {type: "button"}, text), {onclick: listener});
}

/** Where number i of an array stands, in words. */
function describePlace(i, {maps, rows, columns, is_picture}) {
  if (!is_picture) return `number ${i}`;
  const map = maps > 1 ? `map ${Math.floor(i / columns / rows)}, ` : "";
  return `${map}row ${Math.floor(i / columns) % rows}, column ${i % columns}`;
}

// ---- Pictures ----------------------------------------------------------------------------------

const PALE = [236, 233, 226], ORANGE = [190, 75, 15], BLUE = [25, 92, 178];
const IMAGE = {maps: 1, rows: lesson.rows, columns: lesson.columns, is_picture: true};

const grey = share => `rgb(${Array(3).fill(255 * share)})`;

/** Orange above 0, blue below 0, near 0 the colour under it; share is from -1 to 1. */
function colour(share, under = PALE) {
  const end = share < 0 ? BLUE : ORANGE, depth = Math.min(1, Math.abs(share)) ** 0.75;
  return `rgb(${under.map((part, i) => part + (end[i] - part) * depth)})`;
}
const signedByte = byte => colour((byte - 127) / 127);

/** How the maps of an array lie on a canvas, in pixels: tiles side by side. */
function plan({maps, rows, columns}) {
  const across = maps === 1 ? 1 : Math.ceil(Math.sqrt(maps * 1.5)), gap = maps > 1 ? 3 : 0;
  const cell = Math.max(1, Math.min(28, Math.floor((252 / across - gap) / columns)));
  return {cell, across, wide: columns * cell + gap, high: rows * cell + gap,
          down: Math.ceil(maps / across)};
}

function placeOf(i, {rows, columns}, {cell, across, wide, high}) {
  const map = Math.floor(i / (rows * columns)), inside = i % (rows * columns);
  return [(map % across) * wide + (inside % columns) * cell,
          Math.floor(map / across) * high + Math.floor(inside / columns) * cell];
}

/** Paint numbers as squares, a thick frame around the chosen unit, thin ones around the framed. */
function paint(canvas, values, layout, toColour, label, {chosen = null, framed = []} = {}) {
  const laid = plan(layout), {cell, across, down, wide, high} = laid;
  Object.assign(canvas, {width: across * wide, height: down * high});
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  const pen = canvas.getContext("2d");
  values.forEach((value, i) => {
    const [left, top] = placeOf(i, layout, laid);
    pen.fillStyle = toColour(value, i);
    pen.fillRect(left, top, cell, cell);
    pen.fillStyle = "black";
    if (cell > 24) pen.fillText(value.toPrecision(2), left + 2, top + cell / 2 + 3, cell - 4);
  });
  for (const [unit, width, style] of [...framed.map(i => [i, 1, "#0008"]),
                                      [chosen, 5, "white"], [chosen, 2, "black"]]) {
    if (unit === null) continue;
    Object.assign(pen, {lineWidth: width, strokeStyle: style});
    pen.strokeRect(...placeOf(unit, layout, laid), cell, cell);
  }
}

/** The unit at a point of a canvas, or null beside all of them. */
function unitAt(event, canvas, layout) {
  const {cell, across, wide, high} = plan(layout), {maps, rows, columns} = layout;
  const box = canvas.getBoundingClientRect(), scale = canvas.width / box.width;
  const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
  const map = Math.floor(y / high) * across + Math.floor(x / wide);
  const row = Math.floor(y % high / cell), column = Math.floor(x % wide / cell);
  const isUnit = map < maps && row >= 0 && row < rows && column >= 0 && column < columns;
  return isUnit ? (map * rows + row) * columns + column : null;
}

function showBars(box, shares, wanted) {
  box.replaceChildren(...shares.flatMap((share, label) => {
    const bar = make("i", {class: label === wanted ? "wanted" : ""});
    bar.style.width = `${100 * share}%`;
    return [make("span", {}, String(label)), bar, make("span", {}, share.toFixed(4))];
  }));
}

// ---- A layer, forward or backward --------------------------------------------------------------

/** Two arrays of a pass, the given one and the result, their layouts, and the result's sums. */
function readLayer({way, layer: number}) {
  const i = Number(number), layer = lesson.layers[i], isForward = way === "forward";
  const pass = isForward ? digit().forward : digit().backward[state.label];
  const k = isForward ? i : lesson.layers.length - 1 - i;       // backward, the last layer is first
  const [given, result] = isForward ? [layer.input, layer.output] : [layer.output, layer.input];
  return pass && {layer, pass, k, given, result, isForward, sums: pass.units[k],
                  names: isForward ? ["x", "y"] : ["dy", "dx"]};
}

function showLayer(card) {
  const shown = readLayer(card.dataset);
  if (!shown) return;
  const {pass, layer, k, given, result, names, sums, isForward} = shown;
  const unit = state.units[card.id] ?? pass.strongest[k + 1];
  const framed = [...decode(sums?.units ?? null, Uint16Array) ?? []];
  [[k, given, {}], [k + 1, result, {chosen: unit, framed}]].forEach(([at, layout, marks], i) => {
    const canvas = find(`canvas[data-array=${names[i]}]`, card), [low, high] = pass.ranges[at];
    const largest = Math.max(-low, high) || 1, isImage = isForward && at <= lesson.images;
    find(".range", canvas.parentElement).textContent = `from ${low} to ${high}`;
    paint(canvas, readArray(pass, at), layout, isImage ? grey : value => colour(value / largest),
          `${names[i]} of ${layer.name}, from ${low} to ${high}` + (i ? "; arrow keys move" : ""),
          marks);
  });
  find("input", card).value = unit;
  find(".sum", card).replaceChildren(...explainUnit(shown, unit, framed));
}

/** How one unit of a layer's result comes about: a sentence, and mostly a table of its sum. */
function explainUnit({layer, pass, k, sums, given, result, names, isForward}, unit, framed) {
  const x = readArray(pass, k), y = readArray(pass, k + 1), [from, to] = names;
  const tell = text => make("p", {}, make("b", {}, describePlace(unit, result)), `: ${text}`);
  const at = framed.length ? framed.indexOf(unit) : unit;
  if (!sums) return [tell(`${to} = ${format(y[unit])}, the same number in another shape.`)];
  if (isForward && !layer.sums) return [tell(`x = ${format(x[unit])}, so y = ${format(y[unit])}.`)];
  const sums_of = `The page holds the sums of ${framed.length} of these units: those with a frame.`;
  if (at < 0) return [tell(`${to} = ${format(y[unit])}.  ${sums_of}`)];
  const index = decode(sums.index, Uint16Array), places = isForward ? layer.places : given;
  const [factor, product] = [decode(sums.factor), decode(sums.product)];
  const weight = isForward ? (layer.weights ? "weight" : "factor") : "∂y / ∂x";
  const rows = [makeRow([`largest terms: ${from} of`, from, weight, "product"], "", "th")];
  for (let term = at * sums.count; term < (at + 1) * sums.count && factor[term]; term += 1) {
    rows.push(makeRow([describePlace(index[term], places), format(x[index[term]]),
                       format(factor[term]), format(product[term])]));
  }
  const addRow = (name, text, kind) => rows.push(makeRow([name, "", "", text], kind));
  if (sums.count > 1) addRow("all other terms", format(decode(sums.others)[at]));
  if (isForward && layer.weights) addRow("bias b", format(decode(sums.constant)[at]));
  addRow(`their sum: ${to}`, format(y[unit]), "total");
  if (!isForward) {
    addRow("analytic: by the code", y[unit].toFixed(9));
    addRow("numeric: by moving it", decode(sums.numeric)[at].toFixed(9));
  }
  const parts = [tell(`${to} = ${format(y[unit])}`), make("table", {}, ...rows)];
  return isForward && layer.weights?.pictures ? [...parts, showWeights(layer, unit)] : parts;
}

/** The incoming weights of a unit, or of its map, as a picture. */
function showWeights({weights, output}, unit) {
  const i = output.is_picture ? Math.floor(unit / (output.rows * output.columns)) : unit;
  const canvas = make("canvas"), caption = `its weights, full colour: ±${weights.largest[i]}`;
  paint(canvas, decode(weights.pictures[i], Uint8Array), weights, signedByte, caption);
  return make("figure", {}, canvas, make("figcaption", {}, caption));
}

function listenToLayer(card) {
  const canvas = findAll("canvas", card)[1], input = find("input", card);
  const show = unit => {
    if (unit === null || Number.isNaN(unit)) return;
    state.units[card.id] = Math.max(0, Math.min(Number(input.max), unit));
    showLayer(card);
  };
  canvas.tabIndex = 0;
  canvas.addEventListener("click", event =>
    show(unitAt(event, canvas, readLayer(card.dataset).result)));
  canvas.addEventListener("keydown", event => {
    const {columns} = readLayer(card.dataset).result;
    const move = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns}[event.key];
    if (!move) return;
    event.preventDefault();
    show(Number(input.value) + move);
  });
  input.addEventListener("change", () => show(Math.round(input.valueAsNumber)));
}

// ---- The loss and d loss / d x -----------------------------------------------------------------

function showLoss() {
  const pass = digit().backward[state.label], note = find("#no-way-back");
  find("#way-back").hidden = !pass;
  note.hidden = Boolean(pass);
  if (!pass) {
    note.replaceChildren("To stay small, the page holds the way back of this digit only for: ",
      ...Object.keys(digit().backward).map(label =>
        makeButton(`l = ${label}`, () => choose({label: Number(label)}))));
    return;
  }
  const last = lesson.layers.length, {forward} = digit();
  const labels = forward.softmax.map((_, label) => label);
  const rows = {label: labels.map(String), logit: [...readArray(forward, last)].map(format),
                softmax: forward.softmax.map(share => share.toFixed(4)),
                "onehot(l)": labels.map(label => label === state.label ? "1" : "0"),
                dlogits: [...readArray(pass, 0)].map(format)};
  find("#loss").textContent = `Towards l = ${state.label} the loss is ${format(pass.loss)}.`;
  find("#dlogits").replaceChildren(...Object.entries(rows).map(([name, cells], i) =>
    makeRow([name, ...cells], name === "dlogits" ? "total" : "", i ? "td" : "th")));
  const dx = readArray(pass, last), x = readArray(forward, 0), [low, high] = pass.ranges[last];
  const largest = Math.max(-low, high) || 1, caption = `d loss / d x, from ${low} to ${high}`;
  paint(find("#alone"), dx, IMAGE, value => colour(value / largest), caption);
  paint(find("#over-digit"), dx, IMAGE, (value, i) =>
    colour(value / largest, Array(3).fill(255 * x[i])), `${caption}, over the digit`);
  find("#alone-caption").textContent = caption;
}

// ---- The search --------------------------------------------------------------------------------

function showSearch() {
  const found = search();
  stop();
  find("#one-search").hidden = !found;
  find("#no-search").hidden = Boolean(found);
  if (found) {
    find("#at").max = found.frames.length - 1;
    goTo(found.frames.length - 1);
  }
}

function goTo(step) {
  const {frames, ends, largest, found} = search(), last = frames.length - 1;
  state.frame = Math.max(0, Math.min(last, step));
  const frame = frames[state.frame], isLast = found && state.frame === last;
  const pictured = frame.r ? frame : frames[last];      // some digits have pictures of the end only
  find("#at").value = state.frame;
  find("#step").textContent = `${state.frame + 1} of ${frames.length}`;
  paint(find("#x"), readArray(digit().forward, 0), IMAGE, grey, `x, ${digit().name}`);
  paint(find("#r"), decode(pictured.r, Uint8Array), IMAGE, signedByte, "r, magnified");
  paint(find("#x-r"), decode(pictured.x, Uint8Array), IMAGE, byte => grey(byte / 255),
        `x + r, which the net labels ${pictured.label}`);
  find("#r-caption").textContent = `r, full colour: ±${largest}`;
  find("#x-r-caption").textContent = frame.r ? "x + r" : "x + r at the last step";
  const turned = frame.label === state.label;
  find("#verdict").className = turned ? "yes" : "no";
  find("#verdict").textContent = isLast
    ? `D(x, ${state.label}) is found: the net says ${frame.label}.  The label has turned.`
    : `The net says ${frame.label}, ${turned ? "" : "not "}the wanted label ${state.label}.`;
  find("#numbers").replaceChildren(...Object.entries({
    c: format(frame.c), "|r|": format(frame.length), loss: format(frame.loss),
    margin: format(frame.margin), "f(x + r)": String(frame.label),
  }).map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text))));
  showBars(find("#search-softmax"), frame.softmax, state.label);
  const done = isLast ? ends.length : ends.filter(end => end.at <= state.frame).length;
  find("#ends").replaceChildren(
    makeRow(["c no.", "c", "margin", "|r|", "f(x + r)", "result"], "", "th"),
    ...ends.slice(0, done).map((end, i) => makeRow(
      [makeButton(String(i + 1), () => { stop(); goTo(end.at); }), format(Math.exp(end.log_c)),
       format(end.margin), format(frames[end.at].length), String(frames[end.at].label),
       end.success ? "success" : "failure"], i === done - 1 ? "now" : "")));
  showChart(frame, ends, done);
}

/** Where each c ends: log c to the right, the margin upwards, stretched near 0 by a root. */
function showChart(frame, ends, done) {
  const logs = ends.map(end => end.log_c), left = 60, right = 550, top = 12, bottom = 280;
  const from = Math.min(...logs) - 0.3, to = Math.max(...logs) + 0.3;
  const x = log => left + (right - left) * Math.max(0, Math.min(1, (log - from) / (to - from)));
  const y = margin => 150 - 115 * Math.max(-1.1, Math.min(1.1,
    Math.sign(margin) * Math.abs(margin) ** 0.5));
  const draw = (tag, attributes, text = "") => find("#chart").append(make(tag, attributes, text));
  find("#chart").replaceChildren();
  if (done) {
    const {low, high} = ends[done - 1], start = x(low ?? from), end = x(high ?? to);
    draw("path", {class: "band", d: `M${start} ${top}H${end}V${bottom}H${start}Z`});
  }
  draw("path", {class: "axis", d: `M${left} ${top}V${bottom}H${right}M${left} ${y(0)}H${right}`});
  for (const margin of [-1, -0.25, -0.04, 0, 0.04, 0.25, 1]) {
    draw("text", {class: "end", x: left - 6, y: y(margin) + 4}, String(margin));
  }
  const step = [0.1, 0.2, 0.5, 1, 2, 5].find(size => (to - from) / size < 9) ?? 10;
  for (let log = Math.ceil(from / step) * step; log <= to; log += step) {
    draw("text", {class: "middle", x: x(log), y: bottom + 18}, log.toFixed(1));
  }
  draw("text", {class: "middle", x: (left + right) / 2, y: bottom + 38}, "log c");
  draw("text", {class: "end", x: right, y: top + 10}, "success: the label has turned");
  draw("text", {class: "end", x: right, y: bottom - 8}, "failure");
  ends.forEach(({log_c, margin, success}, i) => {
    const later = i < done ? "" : " later", under = success ? -9 : 20;
    draw("circle", {class: (success ? "yes" : "no") + later, cx: x(log_c), cy: y(margin), r: 5});
    draw("text", {class: "middle" + later, x: x(log_c), y: y(margin) + under}, String(i + 1));
  });
  draw("circle", {class: "here", cx: x(frame.log_c), cy: y(frame.margin), r: 10});
}

function stop() {
  clearInterval(state.timer);
  state.timer = null;
  find("#play").textContent = "Play";
}

function play() {
  const last = search().frames.length - 1;
  if (state.timer) return stop();
  if (state.frame === last) goTo(0);
  find("#play").textContent = "Pause";
  state.timer = setInterval(() => state.frame < last ? goTo(state.frame + 1) : stop(), 250);
}

// ---- Units, slips ------------------------------------------------------------------------------

function drawRows() {
  const {unit, direction, pictures} = lesson.units;
  const pick = sets => sets[Math.floor(Math.random() * sets.length)];
  state.rows = [pick(unit.sets), pick(direction.sets)];
  if (Math.random() < 0.5) state.rows.reverse();
  find("#told").textContent = "";
  find("#game").replaceChildren(...state.rows.map(({images, digits}, i) =>
    make("div", {class: "row"}, make("b", {}, `Row ${"AB"[i]}`), ...images.map((image, k) =>
      make("img", {src: pictures[image], alt: `test image ${image}, a ${digits[k]}`})))));
}

function tellRows(guess) {
  const isRight = lesson.units.unit.sets.includes(state.rows[guess]);
  find("#told").className = isRight ? "yes" : "no";
  const words = state.rows.map((set, i) => `  Row ${"AB"[i]}: ${set.name}, purity ${set.purity}.`);
  find("#told").textContent = (isRight ? "Right." : "Wrong.") + words.join("");
}

function listenToSlip(slip) {
  const rows = findAll("tbody tr", slip), says = findAll(".says p", slip), last = rows.length - 1;
  const [back, ahead] = findAll("button", slip);
  const show = step => {
    rows.forEach((row, i) => { row.hidden = i > step; row.className = i === step ? "now" : ""; });
    says.forEach((sentence, i) => { sentence.hidden = i !== step; });
    find(".lesson", slip).hidden = step < last;
    back.disabled = step === 0;
    ahead.disabled = step === last;
    [back.onclick, ahead.onclick] = [() => show(step - 1), () => show(step + 1)];
  };
  show(0);
}

// ---- Choices -----------------------------------------------------------------------------------

function choose(change) {
  Object.assign(state, change);
  find(`input[name=digit][value="${state.digit}"]`).checked = true;
  find(`input[name=label][value="${state.label}"]`).checked = true;
  showBars(find("#softmax"), digit().forward.softmax, digit().label);
  find("#answer").textContent = `f(x) = ${digit().label}.  The image: ${digit().name}.`;
  showLoss();
  findAll("[data-way]").forEach(showLayer);
  showSearch();
}

findAll("input[name=digit]").forEach(input => input.addEventListener("change", () => {
  const labels = Object.keys(lesson.digits[input.value].backward).map(Number);
  choose({digit: Number(input.value),
          label: labels.includes(state.label) ? state.label : labels[0]});
}));
findAll("input[name=label]").forEach(input =>
  input.addEventListener("change", () => choose({label: Number(input.value)})));
findAll("[data-way]").forEach(listenToLayer);
findAll(".slip").forEach(listenToSlip);
find("#play").onclick = play;
find("#back").onclick = () => { stop(); goTo(state.frame - 1); };
find("#ahead").onclick = () => { stop(); goTo(state.frame + 1); };
find("#at").oninput = event => { stop(); goTo(event.target.valueAsNumber); };
find("#draw").onclick = drawRows;
[0, 1].forEach(i => { find(`#guess-${i}`).onclick = () => tellRows(i); });
choose({});
drawRows();
