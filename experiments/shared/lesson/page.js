"use strict";
// A view of what Python computed (experiments/shared/lesson).  This file computes no result: it
// reads numbers out of the page's JSON, and paints and writes them where the reader points.

const lesson = JSON.parse(document.getElementById("lesson").textContent);
const find = (selector, inside = document) => inside.querySelector(selector);
const findAll = (selector, inside = document) => [...inside.querySelectorAll(selector)];
const state = {digit: lesson.first, label: lesson.label, frame: 0, units: {}, timer: null};
const digit = () => lesson.digits[state.digit];

// ---- Numbers and elements ---------------------------------------------------------------------

const decoded = new Map();

function decode(text, Type) {
  if (!decoded.has(text)) {
    const bytes = Uint8Array.from(atob(text), character => character.charCodeAt(0));
    decoded.set(text, new Type(bytes.buffer));
  }
  return decoded.get(text);
}

const floats = text => decode(text, Float32Array);
const format = number => number.toPrecision(4);
const formatSlope = number => number.toFixed(9);

/** The numbers of array i of a pass; null stands for the same numbers as before. */
function readArray(pass, i) {
  while (pass.arrays[i] === null) i -= 1;
  return floats(pass.arrays[i]);
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function makeRow(cells, kind = "", tag = "td") {
  return make("tr", {class: kind}, ...cells.map(cell => make(tag, {}, cell)));
}

/** Where number i of an array stands, in words. */
function describePlace(i, layout) {
  if (!layout.is_picture) return `number ${i}`;
  const [row, column] = [Math.floor(i / layout.columns) % layout.rows, i % layout.columns];
  const map = Math.floor(i / layout.columns / layout.rows);
  return (layout.maps > 1 ? `map ${map}, ` : "") + `row ${row}, column ${column}`;
}

// ---- Pictures ---------------------------------------------------------------------------------

const ZERO = [236, 233, 226], ABOVE = [186, 66, 8], BELOW = [16, 82, 168], INK = "#1d1d1f";

/** Orange above 0, blue below 0, pale near 0; share: -1 to 1. */
function colour(share) {
  const end = share < 0 ? BELOW : ABOVE, depth = Math.min(1, Math.abs(share)) ** 0.75;
  return `rgb(${ZERO.map((zero, i) => Math.round(zero + (end[i] - zero) * depth))})`;
}

const grey = share => `rgb(${Array(3).fill(Math.round(255 * share))})`;

/** How the maps of an array are laid out on a canvas, in pixels. */
function plan({maps, rows, columns}) {
  const across = Math.ceil(Math.sqrt(maps * 1.5)), gap = maps > 1 ? 3 : 0;
  const width = maps === 1 && rows > 20 ? 240 : 380;
  const cell = Math.max(1, Math.min(38, Math.floor(width / across / columns)));
  const place = i => {
    const map = Math.floor(i / (rows * columns)), inside = i % (rows * columns);
    return [(map % across) * (columns * cell + gap) + (inside % columns) * cell,
            Math.floor(map / across) * (rows * cell + gap) + Math.floor(inside / columns) * cell];
  };
  return {cell, place, width: across * (columns * cell + gap) - gap,
          height: Math.ceil(maps / across) * (rows * cell + gap) - gap};
}

/** Paint numbers as squares; chosen: the unit with a frame; ringed: units with a dot. */
function paint(canvas, values, layout, toColour, {chosen = null, ringed = [], label = ""} = {}) {
  const {cell, place, width, height} = plan(layout), context = canvas.getContext("2d");
  Object.assign(canvas, {width, height});
  canvas.setAttribute("role", "img");
  if (label) canvas.setAttribute("aria-label", label);
  for (let i = 0; i < values.length; i += 1) {
    const [left, top] = place(i);
    context.fillStyle = toColour(values[i]);
    context.fillRect(left, top, cell, cell);
    if (cell > 30) {
      context.fillStyle = INK;
      context.font = "11px system-ui";
      context.fillText(values[i].toPrecision(2), left + 2, top + cell / 2 + 4, cell - 4);
    }
  }
  context.strokeStyle = "#00000088";
  for (const i of ringed) context.strokeRect(place(i)[0] + .5, place(i)[1] + .5, cell, cell);
  if (chosen !== null) {
    const [left, top] = place(chosen);
    context.lineWidth = 4;
    context.strokeStyle = "#ffffff";
    context.strokeRect(left - 1, top - 1, cell + 2, cell + 2);
    context.lineWidth = 2;
    context.strokeStyle = "#000000";
    context.strokeRect(left - 1, top - 1, cell + 2, cell + 2);
  }
}

/** The number i of the square at a point of a canvas, or null beside all of them. */
function unitAt(event, canvas, layout) {
  const box = canvas.getBoundingClientRect(), {cell, place} = plan(layout);
  const x = (event.clientX - box.left) * canvas.width / box.width;
  const y = (event.clientY - box.top) * canvas.height / box.height;
  for (let i = 0; i < layout.maps * layout.rows * layout.columns; i += 1) {
    const [left, top] = place(i);
    if (x >= left && x < left + cell && y >= top && y < top + cell) return i;
  }
  return null;
}

const PICTURE = {maps: 1, rows: lesson.rows, columns: lesson.columns, is_picture: true};
const paintGrey = (canvas, text, label) =>
  paint(canvas, decode(text, Uint8Array), PICTURE, byte => grey(byte / 255), {label});
const signed = byte => colour((byte - 127) / 127);

function showBars(box, shares, wanted) {
  box.replaceChildren(...shares.flatMap((share, label) => {
    const bar = make("i", {class: label === wanted ? "wanted" : ""});
    bar.style.width = `${100 * share}%`;
    return [make("span", {}, String(label)), bar, make("span", {}, share.toFixed(4))];
  }));
}

// ---- A layer, forward or backward -------------------------------------------------------------

/** What the card of a layer shows: its two arrays, which of them is the result, and its sums. */
function readLayer(way, i) {
  const layer = lesson.layers[i], last = lesson.layers.length - 1;
  if (way === "forward") {
    return {layer, pass: digit().forward, from: i, to: i + 1, sums: digit().forward.units[i],
            given: layer.input, result: layer.output, names: ["x", "y"]};
  }
  const pass = digit().backward[state.label];
  return pass && {layer, pass, from: last - i, to: last - i + 1, sums: pass.units[last - i],
                  given: layer.output, result: layer.input, names: ["dy", "dx"]};
}

function showLayer(card) {
  const {way, layer: number} = card.dataset, i = Number(number), shown = readLayer(way, i);
  if (!shown) return;
  const {pass, layer, from, to, sums, given, result, names} = shown;
  const unit = state.units[way + i] ?? pass.strongest[to];
  const explained = sums && sums.units ? [...decode(sums.units, Uint16Array)] : null;
  for (const [name, k, layout, isResult] of [[names[0], from, given, false],
                                             [names[1], to, result, true]]) {
    const canvas = find(`canvas[data-array="${name}"]`, card), [low, high] = pass.ranges[k];
    const largest = Math.max(Math.abs(low), Math.abs(high)) || 1;
    const isImage = way === "forward" && (k === 0 || (k === 1 && lesson.layers[0].kind === "Flatten"));
    paint(canvas, readArray(pass, k), layout, isImage ? grey : value => colour(value / largest),
          {chosen: isResult ? unit : null, ringed: isResult && explained ? explained : [],
           label: `${name} of ${layer.name}, from ${low} to ${high}` +
                  (isResult ? ".  Arrow keys choose a unit." : "")});
    find(".range", canvas.parentElement).textContent = `from ${low} to ${high}`;
  }
  find(".unit input", card).value = unit;
  const box = find(".sum", card);
  box.replaceChildren(...explainUnit(way, shown, unit, explained));
}

/** The sum that makes one unit, as elements. */
function explainUnit(way, {layer, pass, from, to, sums, given, result, names}, unit, explained) {
  const x = readArray(pass, from), y = readArray(pass, to), [first, second] = names;
  const title = make("p", {}, make("b", {}, describePlace(unit, result)), ": ");
  if (!sums) {
    title.append(`${second} = ${format(y[unit])}, the same number in another shape`);
    return [title];
  }
  if (way === "forward" && !layer.sums) {
    title.append(`x = ${format(x[unit])}, so y = ${format(y[unit])}`);
    return [title];
  }
  const at = explained ? explained.indexOf(unit) : unit;
  title.append(`${second} = ${format(y[unit])}`);
  if (at < 0) {
    title.append(`.  The page holds the sums of ${explained.length} units of this array, those with ` +
                 "a frame.");
    return [title];
  }
  const table = make("table", {}, make("caption", {class: "small"}, way === "forward"
    ? "the largest terms of its sum" : "the chain rule: every y that it moves, times dy"));
  const weight = way === "backward" ? "dy / dx" : layer.weights ? "weight" : "factor";
  table.append(makeRow([first + " of", first, weight, "product"], "", "th"));
  const index = decode(sums.index, Uint16Array), factor = floats(sums.factor);
  const product = floats(sums.product), places = way === "forward" ? layer.places : given;
  for (let k = at * sums.count; k < (at + 1) * sums.count; k += 1) {
    table.append(makeRow([describePlace(index[k], places), format(x[index[k]]), format(factor[k]),
                          format(product[k])]));
  }
  if (sums.count > 1) table.append(makeRow(["all other terms", "", "", format(floats(sums.others)[at])]));
  if (way === "forward" && layer.weights) {
    table.append(makeRow(["bias b", "", "", format(floats(sums.constant)[at])]));
  }
  table.append(makeRow([`the sum is ${second}`, "", "", format(y[unit])], "total"));
  const parts = [table];
  if (way === "backward") {
    table.append(makeRow(["analytic", "", "", formatSlope(y[unit])]),
                 makeRow(["numeric", "", "", formatSlope(floats(sums.numeric)[at])]));
  } else if (layer.weights?.pictures) {
    parts.push(showWeights(layer, unit));
  }
  return [title, ...parts];
}

/** The incoming weights of a unit, or of its map, as a picture. */
function showWeights({weights, output}, unit) {
  const i = output.is_picture ? Math.floor(unit / (output.rows * output.columns)) : unit;
  const canvas = make("canvas");
  paint(canvas, decode(weights.pictures[i], Uint8Array), weights, signed,
        {label: `incoming weights of unit ${unit}`});
  return make("figure", {}, canvas, make("figcaption", {},
    `its incoming weights, full colour: ±${weights.largest[i]}`));
}

function listenToLayer(card) {
  const {way, layer} = card.dataset, key = way + layer, input = find(".unit input", card);
  const {columns} = lesson.layers[layer][way === "forward" ? "output" : "input"];
  const canvas = findAll("canvas", card)[1], layout = () => readLayer(way, Number(layer)).result;
  const choose = unit => {
    if (unit === null || Number.isNaN(unit)) return;
    state.units[key] = Math.max(0, Math.min(Number(input.max), unit));
    showLayer(card);
  };
  const moves = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns};
  canvas.tabIndex = 0;
  canvas.addEventListener("click", event => choose(unitAt(event, canvas, layout())));
  canvas.addEventListener("keydown", event => {
    if (!(event.key in moves)) return;
    event.preventDefault();
    choose(Number(input.value) + moves[event.key]);
  });
  input.addEventListener("change", () => choose(Math.round(input.valueAsNumber)));
}

// ---- The whole way ----------------------------------------------------------------------------

function showForward() {
  showBars(find("#softmax"), digit().forward.softmax, digit().label);
  find("#answer").textContent = `f(x) = ${digit().label}.  The image: ${digit().name}.`;
}

function showBackward() {
  const pass = digit().backward[state.label], held = Object.keys(digit().backward);
  find("#way-back").hidden = !pass;
  const note = find("#no-way-back");
  note.hidden = Boolean(pass);
  if (!pass) {
    note.replaceChildren("To stay small, the page holds the way back of this digit only for the " +
                         `label ${held.join(", ")}.  `);
    for (const label of held) note.append(makeButton(`Show l = ${label}`, () => choose({label: Number(label)})));
    return;
  }
  find("#loss").textContent = `Towards l = ${state.label} the loss is ${format(pass.loss)}.`;
  const logits = readArray(digit().forward, lesson.layers.length), dlogits = readArray(pass, 0);
  const columns = [...logits].map((logit, label) => [
    String(label), format(logit), digit().forward.softmax[label].toFixed(4),
    label === state.label ? "1" : "0", format(dlogits[label])]);
  const names = ["label", "logit", "softmax", "onehot(l)", "dlogits"];
  find("#dlogits").replaceChildren(...names.map((name, k) =>
    makeRow([name, ...columns.map(column => column[k])], k === 4 ? "total" : "", k ? "td" : "th")));
  const last = lesson.layers.length, gradient = readArray(pass, last), pixels = readArray(digit().forward, 0);
  const [low, high] = pass.ranges[last], largest = Math.max(Math.abs(low), Math.abs(high)) || 1;
  const label = `d loss / d x of this digit towards ${state.label}, from ${low} to ${high}`;
  paint(find("#alone"), gradient, PICTURE, value => colour(value / largest), {label});
  paint(find("#over-digit"), gradient.map((_, i) => i), PICTURE, i => mix(pixels[i], gradient[i] / largest),
        {label: `${label}, painted over the digit`});
  find("#alone-caption").textContent = `d loss / d x, from ${low} to ${high}`;
}

/** A pixel's grey, coloured by its gradient. */
function mix(pixel, share) {
  const end = share < 0 ? BELOW : ABOVE, depth = Math.min(1, Math.abs(share)) ** 0.75;
  return `rgb(${end.map(part => Math.round((1 - depth) * 255 * pixel + depth * (90 + .65 * part)))})`;
}

function makeButton(text, listener) {
  const button = make("button", {type: "button"}, text);
  button.addEventListener("click", listener);
  return button;
}

// ---- The search -------------------------------------------------------------------------------

const search = () => digit().search[state.label];

function showSearch() {
  const found = search(), note = find("#no-search");
  stop();
  find("#one-search").hidden = !found;
  note.hidden = Boolean(found);
  if (!found) {
    note.textContent = `The net labels this image ${state.label} already.  So D(x, l) = x, and r = 0.  ` +
                       "Choose another wanted label.";
    return;
  }
  state.frame = found.frames.length - 1;
  find("#at").max = state.frame;
  showFrame();
}

function showFrame() {
  const {frames, ends, largest, found} = search(), frame = frames[state.frame];
  const isLast = found && state.frame === frames.length - 1, turned = frame.label === state.label;
  // Of the digits without every evaluation, only x and the end have pictures.
  const pictured = frame.r ? frame : frames[frames.length - 1];
  find("#at").value = state.frame;
  find("#step").textContent = `${state.frame + 1} of ${frames.length}`;
  paint(find("#x"), readArray(digit().forward, 0), PICTURE, grey, {label: `x, ${digit().name}`});
  find("#r").parentElement.hidden = find("#x-r").parentElement.hidden = !pictured.r;
  if (pictured.r) {
    paint(find("#r"), decode(pictured.r, Uint8Array), PICTURE, signed, {label: "r, magnified"});
    paintGrey(find("#x-r"), pictured.x, `x + r, which the net labels ${pictured.label}`);
    find("#r-caption").textContent = `r, full colour: ±${largest}` + (frame.r ? "" : " (of the last step)");
  }
  const verdict = find("#verdict");
  verdict.className = turned ? "yes" : "no";
  verdict.textContent = isLast
    ? `D(x, ${state.label}) is found: the net says ${frame.label}.  The label has turned.`
    : `c = ${format(frame.c)}: the net says ${frame.label}` + (turned ? ", the wanted label." : `, not ${state.label}.`);
  const numbers = {"|r|": format(frame.length), "c": format(frame.c), "margin": format(frame.margin),
                   "loss": format(frame.loss), "f(x + r)": frame.label};
  find("#numbers").replaceChildren(...Object.entries(numbers).map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, String(value)))));
  showBars(find("#search-softmax"), frame.softmax, state.label);
  const done = isLast ? ends.length : ends.filter(end => end.at <= state.frame).length;
  showEnds(frames, ends, done);
  showChart(frame, ends, done);
}

function showEnds(frames, ends, done) {
  const rows = ends.map((end, i) => makeRow([
    makeButton(String(i + 1), () => goTo(end.at)), format(frames[end.at].c), format(end.margin),
    format(frames[end.at].length), String(frames[end.at].label), end.success ? "success" : "failure",
  ], i === done - 1 ? "now" : ""));
  find("#ends").replaceChildren(makeRow(["c no.", "c", "margin", "|r|", "f(x + r)", ""], "", "th"), ...rows);
}

function showChart(frame, ends, done) {
  const svg = find("#chart"), [left, right, top, bottom] = [58, 545, 12, 285];
  const cs = ends.map(end => end.log_c), margins = ends.map(end => end.margin);
  const [c0, c1] = [Math.min(...cs) - .4, Math.max(...cs) + .4];
  const [m0, m1] = [Math.min(-1, ...margins) * 1.08, Math.max(.25, ...margins) * 1.15];
  const x = c => left + (right - left) * Math.max(0, Math.min(1, (c - c0) / (c1 - c0)));
  const y = m => bottom - (bottom - top) * Math.max(0, Math.min(1, (m - m0) / (m1 - m0)));
  const parts = [];
  const draw = (tag, attributes, text = "") => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.textContent = text;
    parts.push(element);
  };
  if (done) {
    const {low, high} = ends[done - 1], from = x(low ?? c0), to = x(high ?? c1);
    draw("rect", {class: "band", x: from, y: top, width: Math.max(2, to - from), height: bottom - top});
  }
  draw("line", {class: "axis", x1: left, x2: right, y1: y(0), y2: y(0), "stroke-dasharray": "5 4"});
  draw("text", {x: left + 4, y: y(0) - 5}, "success: f(x + r) = l");
  draw("text", {x: left + 4, y: y(0) + 15}, "failure");
  draw("path", {class: "axis", fill: "none", d: `M${left} ${top}V${bottom}H${right}`});
  const step = [.1, .2, .5, 1, 2, 5].find(size => (c1 - c0) / size < 10) ?? 10;
  for (let tick = Math.ceil(c0 / step) * step; tick <= c1; tick += step) {
    draw("text", {x: x(tick), y: bottom + 18, "text-anchor": "middle"}, tick.toFixed(step < 1 ? 1 : 0));
  }
  draw("text", {x: (left + right) / 2, y: bottom + 37, "text-anchor": "middle"}, "log c");
  for (const tick of [m0, 0, m1]) draw("text", {x: left - 6, y: y(tick) + 4, "text-anchor": "end"}, tick.toFixed(2));
  ends.forEach((end, i) => {
    const kind = `${end.success ? "yes" : "no"}${i < done ? "" : " later"}`;
    draw("circle", {class: kind, cx: x(end.log_c), cy: y(end.margin), r: 5});
    if (i < 5 || i === ends.length - 1) {
      draw("text", {class: i < done ? "" : "later", x: x(end.log_c) + 8,
                    y: y(end.margin) + (end.success ? -7 : 15)}, String(i + 1));
    }
  });
  draw("circle", {class: "here", cx: x(frame.log_c), cy: y(frame.margin), r: 10});
  svg.replaceChildren(...parts);
}

function goTo(frame) {
  state.frame = Math.max(0, Math.min(search().frames.length - 1, frame));
  showFrame();
}

function stop() {
  clearInterval(state.timer);
  state.timer = null;
  find("#play").textContent = "Play";
}

function play() {
  if (state.timer) return stop();
  const last = search().frames.length - 1;
  if (state.frame === last) goTo(0);
  find("#play").textContent = "Pause";
  state.timer = setInterval(() => state.frame < last ? goTo(state.frame + 1) : stop(), 250);
}

// ---- Units, slips -----------------------------------------------------------------------------

function draw() {
  const pick = list => list[Math.floor(Math.random() * list.length)];
  const rows = [pick(lesson.units.unit.sets), pick(lesson.units.direction.sets)];
  state.rows = Math.random() < .5 ? rows : rows.reverse();
  find("#told").textContent = "";
  find("#game").replaceChildren(...state.rows.map((set, i) => make("div", {class: "row"},
    make("b", {}, `Row ${"AB"[i]}`), ...set.images.map((image, k) => make("img", {
      src: lesson.units.pictures[image], alt: `test image ${image}, a ${set.digits[k]}`})))));
  for (const i of [0, 1]) find(`#guess-${i}`).disabled = false;
}

function tell(guess) {
  const right = lesson.units.unit.sets.includes(state.rows[guess]);
  const words = state.rows.map((set, i) => `Row ${"AB"[i]} is ${set.name}, purity ${set.purity}.`);
  find("#told").textContent = `${right ? "Right." : "Wrong."}  ${words.join("  ")}`;
  find("#told").className = right ? "yes" : "no";
  for (const i of [0, 1]) find(`#guess-${i}`).disabled = true;
}

function listenToSlip(slip) {
  const rows = findAll("tbody tr", slip), says = findAll(".says p", slip);
  const [back, ahead, end] = [find(".back", slip), find(".ahead", slip), find(".lesson", slip)];
  let step = 0;
  const show = to => {
    step = to;
    rows.forEach((row, i) => { row.hidden = i > step; row.className = i === step ? "now" : ""; });
    says.forEach((sentence, i) => { sentence.hidden = i !== step; });
    end.hidden = step < rows.length - 1;
    back.disabled = step === 0;
    ahead.disabled = step === rows.length - 1;
  };
  back.addEventListener("click", () => show(step - 1));
  ahead.addEventListener("click", () => show(step + 1));
  show(0);
}

// ---- Choices ----------------------------------------------------------------------------------

function choose(change) {
  Object.assign(state, change);
  find(`input[name=digit][value="${state.digit}"]`).checked = true;
  find(`input[name=label][value="${state.label}"]`).checked = true;
  showForward();
  showBackward();
  findAll(".layer[data-way]").forEach(showLayer);
  showSearch();
}

findAll("input[name=digit]").forEach(input => input.addEventListener("change", () => {
  const next = lesson.digits[Number(input.value)];
  choose({digit: Number(input.value),
          label: next.backward[state.label] ? state.label : Number(Object.keys(next.backward)[0])});
}));
findAll("input[name=label]").forEach(input =>
  input.addEventListener("change", () => choose({label: Number(input.value)})));
findAll(".layer[data-way]").forEach(listenToLayer);
findAll(".slip").forEach(listenToSlip);
find("#play").addEventListener("click", play);
find("#back").addEventListener("click", () => { stop(); goTo(state.frame - 1); });
find("#ahead").addEventListener("click", () => { stop(); goTo(state.frame + 1); });
find("#at").addEventListener("input", event => { stop(); goTo(event.target.valueAsNumber); });
find("#draw").addEventListener("click", draw);
for (const i of [0, 1]) find(`#guess-${i}`).addEventListener("click", () => tell(i));
choose({});
draw();
