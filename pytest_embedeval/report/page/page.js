"use strict";
(() => {
  const tables = JSON.parse(document.getElementById("tables").textContent);
  const part = (id) => document.getElementById(id);
  const rows = part("rows"), detail = part("detail");
  if (!tables.length) { part("queries").hidden = true; return; }
  const state = { table: tables[0], shown: [], at: -1 };
  const filler = document.createElement("div");

  const words = new Intl.Collator(undefined, { numeric: true });
  const option = (text, value) => { const made = new Option(); made.textContent = text; made.value = value; return made; };
  const rankOf = (model, query) => model ? model.ranks[query] : 0;
  const worth = (rank) => rank ? 1 / rank : 0;
  const shownRank = (rank) => rank ? String(rank) : "–";
  const sides = () => [state.table.models[part("reference").value], state.table.models[part("candidate").value]];

  function fillDatasets() {
    tables.forEach((table, place) => part("dataset").append(option(table.dataset, place)));
    part("dataset").addEventListener("change", () => { state.table = tables[part("dataset").value]; fillModels(); });
  }

  function fillModels() {
    const models = state.table.models;
    for (const id of ["reference", "candidate"]) {
      part(id).replaceChildren(...models.map((model, place) => option(model.alias, place)));
    }
    part("candidate").value = Math.min(1, models.length - 1);
    filter();
  }

  function filter() {
    const [before, after] = sides(), kind = part("kind").value;
    const wanted = part("search").value.toLocaleLowerCase().trim();
    const { queries, ids } = state.table;
    if (!state.table.small) state.table.small = queries.map((text, i) => `${text} ${ids[i]}`.toLocaleLowerCase());
    const change = (query) => worth(rankOf(after, query)) - worth(rankOf(before, query));
    const kinds = {
      all: () => true, lost: (query) => change(query) < 0, won: (query) => change(query) > 0,
      wrong: (query) => rankOf(before, query) !== 1 && rankOf(after, query) !== 1,
    };
    const found = [];
    for (let query = 0; query < queries.length; query++) {
      if (kinds[kind](query) && (!wanted || state.table.small[query].includes(wanted))) found.push(query);
    }
    const order = part("order").value, last = 1e9, key = new Map();
    const keys = { change, before: (query) => rankOf(before, query) || last, after: (query) => rankOf(after, query) || last };
    if (order === "text") {
      found.sort((one, other) => words.compare(queries[one], queries[other]) || one - other);
    } else {
      for (const query of found) key.set(query, keys[order](query));
      found.sort((one, other) => key.get(one) - key.get(other) || one - other);
    }
    state.shown = found;
    state.at = -1;
    part("count").textContent = `${found.length.toLocaleString("en")} of ${queries.length.toLocaleString("en")} queries`;
    rows.scrollTop = 0;
    detail.replaceChildren();
    draw();
  }

  const height = () => parseFloat(getComputedStyle(document.documentElement).fontSize) * 3.2;

  function draw() {
    const tall = height(), first = Math.max(0, Math.floor(rows.scrollTop / tall) - 4);
    const last = Math.min(state.shown.length, first + Math.ceil(rows.clientHeight / tall) + 8);
    const [before, after] = sides();
    filler.style.height = `${state.shown.length * tall}px`;
    const made = [filler];
    for (let place = first; place < last; place++) made.push(row(place, tall, before, after));
    rows.replaceChildren(...made);
  }

  function row(place, tall, before, after) {
    const query = state.shown[place], old = rankOf(before, query), now = rankOf(after, query);
    const made = document.createElement("div"), text = document.createElement("span"), ranks = document.createElement("span");
    made.className = "row";
    made.setAttribute("role", "option");
    made.setAttribute("aria-selected", String(place === state.at));
    made.style.top = `${place * tall}px`;
    text.className = "text";
    text.dir = "auto";
    text.textContent = state.table.queries[query];
    ranks.className = `ranks ${worth(now) < worth(old) ? "lost" : worth(now) > worth(old) ? "won" : ""}`;
    ranks.textContent = before === after ? `rank ${shownRank(now)}` : `rank ${shownRank(old)} → ${shownRank(now)}`;
    made.append(text, ranks);
    made.addEventListener("click", () => { state.at = place; open(); });
    return made;
  }

  function open() {
    const query = state.shown[state.at];
    if (query === undefined) return;
    const asked = document.createElement("p"), lists = document.createElement("div");
    lists.className = "lists";
    asked.className = "asked";
    asked.dir = "auto";
    asked.textContent = state.table.queries[query];
    lists.append(...[...new Set(sides())].map((model) => list(model, query)));
    detail.replaceChildren(asked, lists);
    draw();
  }

  function list(model, query) {
    const made = document.createElement("div"), title = document.createElement("h3"), found = document.createElement("ol");
    title.textContent = `${model.alias}, rank ${shownRank(model.ranks[query])}`;
    const { gold, grades } = state.table, judged = new Map(gold[query].map((place, n) => [place, grades.length ? grades[query][n] : 1]));
    model.found[query].forEach((place, n) => {
      const item = document.createElement("li"), id = document.createElement("span"), text = document.createElement("span");
      if (judged.has(place)) item.className = "gold";
      id.className = "id";
      const grade = grades.length ? ` · grade ${judged.get(place)}` : "", score = model.scores.length ? model.scores[query][n] : undefined;
      id.textContent = `${state.table.document_ids[place]}${score === undefined ? "" : ` · ${score}`}${judged.has(place) ? ` · relevant${grade}` : ""}`;
      text.dir = "auto";
      text.textContent = state.table.documents[place];
      item.append(id, text);
      found.append(item);
    });
    made.append(title, found);
    return made;
  }

  function move(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    if (event.key === "Enter") { open(); return; }
    if (!(event.key in steps) || !state.shown.length) return;
    event.preventDefault();
    state.at = Math.min(state.shown.length - 1, Math.max(0, state.at + steps[event.key]));
    const top = state.at * height();
    if (top < rows.scrollTop) rows.scrollTop = top;
    if (top + height() > rows.scrollTop + rows.clientHeight) rows.scrollTop = top + height() - rows.clientHeight;
    draw();
  }

  for (const id of ["reference", "candidate", "kind", "order"]) part(id).addEventListener("change", filter);
  part("search").addEventListener("input", filter);
  rows.addEventListener("scroll", draw, { passive: true });
  rows.addEventListener("keydown", move);
  window.addEventListener("resize", draw);
  fillDatasets();
  fillModels();
})();
