// Draws /openapi.json. Everything is set as text, never as markup.

draw().catch((error) => document.getElementById("reference").replaceChildren(element("p", "alert", `/openapi.json cannot be read: ${error.message}`)));

async function draw() {
  const response = await fetch("/openapi.json");
  if (!response.ok) throw new Error(`status ${response.status}`);
  const api = await response.json();
  const main = document.getElementById("reference");
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => drawOperation(api, path, method, operation)));
  main.replaceChildren(
    element("h1", "", `${api.info.title} ${api.info.version}`),
    element("p", "note", api.info.description),
    ...operations,
    drawErrors(api),
  );
  main.removeAttribute("aria-busy");
}

function drawOperation(api, path, method, operation) {
  const section = element("section", "operation");
  const title = element("h2");
  title.append(element("span", "method", method.toUpperCase()), element("span", "", path));
  section.append(title, element("p", "", operation.description ?? operation.summary));
  if (operation.security) section.append(element("p", "note", "Needs the header Authorization: Bearer KEY"));

  const [kind, sent] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const body = sent?.schema;
  const fields = [
    ...(operation.parameters ?? []).map((p) => [p.name, type(api, p.schema), `in the ${p.in}. ${p.description ?? ""}`]),
    ...(body ? fieldRows(api, body, true) : []),
  ];
  if (fields.length) section.append(element("h3", "", ["Request", kind].filter(Boolean).join(" · ")), table(["field", "type, default", "meaning"], fields));
  if (kind === "application/json") section.append(element("pre", "", example(path)));

  for (const [status, answer] of Object.entries(operation.responses)) {
    if (status === "default") continue; // the same for all: drawErrors
    const [media, content] = Object.entries(answer.content ?? {})[0] ?? [];
    section.append(element("h3", "", [status, answer.description, media].filter(Boolean).join(" · ")));
    const rows = content ? fieldRows(api, content.schema, false) : [];
    if (rows.length) section.append(table(["member", "type", "meaning"], rows));
  }
  return section;
}

/** The body of every error, once. */
function drawErrors(api) {
  const section = element("section", "operation");
  section.append(
    element("h2", "", "Errors"),
    element("p", "", "Every other status carries an application/problem+json document (RFC 9457) with OpenAI's error member."),
    table(["member", "type", "meaning"], fieldRows(api, api.components.schemas.Problem, false)),
  );
  return section;
}

const resolve = (api, schema = {}) => (schema.$ref ? api.components.schemas[schema.$ref.split("/").pop()] : schema);

/** [name, type, meaning] of each property; of an answer's nested objects too, with their path. */
function fieldRows(api, schema, isRequest, prefix = "") {
  const object = resolve(api, schema);
  return Object.entries(object.properties ?? {}).flatMap(([name, property]) => {
    const required = isRequest && (object.required ?? []).includes(name) ? ", required" : "";
    const initial = isRequest && property.default !== undefined && property.default !== null ? `, ${JSON.stringify(property.default)}` : "";
    const row = [prefix + name, type(api, property) + required + initial, property.description ?? ""];
    const inner = property.items ?? property;
    const deeper = !isRequest && inner.$ref ? fieldRows(api, inner, false, `${prefix}${name}${property.items ? "[]" : ""}.`) : [];
    return [row, ...deeper];
  });
}

function type(api, property = {}) {
  const schema = resolve(api, property);
  if (schema.enum) return schema.enum.join(" | ");
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.anyOf) return schema.anyOf.map((option) => type(api, option)).join(" | ");
  if (schema.type === "array") return `${type(api, schema.items)}[]`;
  const { minimum, maximum } = schema;
  return (schema.type ?? "any") + (minimum !== undefined && maximum !== undefined ? ` ${minimum} to ${maximum}` : "");
}

function table(head, rows) {
  const made = element("table");
  const top = element("tr");
  top.append(...head.map((text) => element("th", "", text)));
  made.append(top, ...rows.map((row) => {
    const line = element("tr");
    line.append(...row.map((text) => element("td", "", text)));
    return line;
  }));
  const scroll = element("div", "scroll");
  scroll.append(made);
  return scroll;
}

function example(path) {
  return `curl ${location.origin}${path} \\
  -H 'Content-Type: application/json' \\
  -d '{"prompt": "red leather handbag", "n": 2, "background": "transparent"}'`;
}

function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}
