// Shows the OpenAPI document of this server. Everything from it is set as text, never as markup.
"use strict";

const MOST_DEPTH = 6;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function resolve(root, schema) {
  if (!schema || !schema.$ref) return schema || {};
  return schema.$ref.slice(2).split("/").reduce((at, key) => at && at[key.replace(/~1/g, "/")], root) || {};
}

// An example of a value, made from its schema: names, and what stands behind them.
function example(root, schema, depth) {
  const at = resolve(root, schema);
  if (depth > MOST_DEPTH) return "…";
  if (at.example !== undefined) return at.example;
  const choice = at.oneOf || at.anyOf;
  if (choice) return example(root, choice.find((one) => one.type !== "null") || choice[0], depth + 1);
  if (at.allOf) return Object.assign({}, ...at.allOf.map((one) => example(root, one, depth + 1)));
  if (at.enum) return at.enum.join(" | ");
  const type = Array.isArray(at.type) ? at.type.find((one) => one !== "null") : at.type;
  if (type === "array") return [example(root, at.items, depth + 1)];
  if (type === "object" || at.properties) {
    const made = {};
    for (const [name, inner] of Object.entries(at.properties || {})) made[name] = example(root, inner, depth + 1);
    return made;
  }
  return at.format ? `${type} (${at.format})` : type || "any";
}

function schemaBlock(root, title, media) {
  const [type, content] = Object.entries(media || {})[0] || [];
  const block = element("div");
  block.append(element("h4", type ? `${title}: ${type}` : title));
  if (content && content.schema) {
    block.append(element("pre", JSON.stringify(example(root, content.schema, 0), null, 2)));
  }
  return block;
}

function table(headings, rows) {
  const made = element("table");
  const head = element("tr");
  headings.forEach((heading) => head.append(element("th", heading)));
  made.append(head);
  rows.forEach((cells) => {
    const row = element("tr");
    cells.forEach((cell) => row.append(element("td", cell)));
    made.append(row);
  });
  return made;
}

function showCall(root, path, method, call) {
  const shown = element("details");
  const summary = element("summary");
  summary.append(element("span", method, `method ${method}`), element("code", path), ` ${call.summary || ""}`);
  shown.append(summary);
  shown.dataset.words = `${method} ${path} ${call.summary || ""} ${call.description || ""}`.toLowerCase();
  if (call.description) shown.append(element("p", call.description));
  if (call.parameters && call.parameters.length) {
    shown.append(table(["parameter", "in", "needed", "meaning"], call.parameters.map((one) =>
      [one.name, one.in, one.required ? "yes" : "", one.description || ""])));
  }
  if (call.requestBody) shown.append(schemaBlock(root, "Body", call.requestBody.content));
  for (const [status, answer] of Object.entries(call.responses || {})) {
    if (status.startsWith("2")) shown.append(schemaBlock(root, `Answer ${status}`, answer.content));
  }
  const failures = Object.entries(call.responses || {}).filter(([status]) => !status.startsWith("2"));
  shown.append(table(["status", "failure"], failures.map(([status, answer]) => [status, answer.description || ""])));
  return shown;
}

function show(root) {
  document.getElementById("about").textContent = `${root.info.title} ${root.info.version}. ${root.info.description || ""}`;
  const groups = new Map();
  for (const [path, item] of Object.entries(root.paths)) {
    for (const method of ["get", "post", "put", "patch", "delete"]) {
      const call = item[method];
      if (!call) continue;
      const tag = (call.tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(showCall(root, path, method.toUpperCase(), call));
    }
  }
  const calls = document.getElementById("calls");
  for (const [tag, shown] of groups) {
    const group = element("section");
    group.append(element("h2", tag), ...shown);
    calls.append(group);
  }
  document.getElementById("find").addEventListener("input", (event) => {
    const word = event.target.value.toLowerCase();
    for (const call of calls.querySelectorAll("details")) call.hidden = !call.dataset.words.includes(word);
  });
}

fetch("/v1/openapi.json")
  .then((answer) => answer.json())
  .then(show)
  .catch((error) => { document.getElementById("about").textContent = `The document cannot be read: ${error}`; });
