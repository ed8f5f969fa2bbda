// Reads /openapi.json and lists its operations, each with a form that sends a real request.
"use strict";

/** An element with properties and children; text is only ever text. */
function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** What a `$ref` stands for. */
function resolve(spec, schema) {
  if (!schema || !schema.$ref) return schema || {};
  return schema.$ref.slice(2).split("/").reduce((part, key) => part[key], spec);
}

/** A schema in a few words: `string or null`, `list of auth.v1.User`. */
function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.type === "array") return "list of " + typeOf(schema.items);
  const types = [].concat(schema.type || "anything").join(" or ");
  if (schema.enum) return schema.enum.map((word) => JSON.stringify(word)).join(" | ");
  return schema.format ? `${types} (${schema.format})` : types;
}

/** The fields of an object schema as a definition list. */
function fields(spec, schema) {
  const list = element("dl");
  for (const [name, field] of Object.entries(resolve(spec, schema).properties || {})) {
    const words = [typeOf(field), field.readOnly ? "read-only" : ""].filter(Boolean).join(", ");
    list.append(element("dt", {}, element("code", { textContent: name }), " " + words));
    list.append(element("dd", { textContent: field.description || "" }));
  }
  return list;
}

/** A body to start from: the fields that can be written, with empty values. */
function example(spec, schema) {
  const start = {};
  for (const [name, field] of Object.entries(resolve(spec, schema).properties || {})) {
    const type = [].concat(field.type || "object");
    if (field.readOnly || type.includes("null") || !["string", "boolean", "integer"].includes(type[0])) continue;
    start[name] = field.enum ? field.enum[0] : { string: "", boolean: false, integer: 0 }[type[0]];
  }
  return JSON.stringify(start, null, 2);
}

/** A labelled input; `id` must be unique on the page. */
function input(id, label, description, tag = "input") {
  const field = element(tag, { id, autocomplete: "off", spellcheck: false });
  const hint = element("small", { textContent: description || "" });
  return [field, element("label", { htmlFor: id }, label, hint)];
}

/** The request that a filled-in form means. */
function requestOf(method, path, inputs, body) {
  const query = new URLSearchParams();
  const headers = new Headers();
  for (const [parameter, field] of inputs) {
    const value = field.value;
    if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(value));
    else if (value === "") continue;
    else if (parameter.in === "query") query.append(parameter.name, value);
    else headers.set(parameter.name, value);
  }
  const token = document.getElementById("token").value.trim();
  if (token) headers.set("authorization", `Bearer ${token}`);
  if (body) headers.set("content-type", "application/json");
  const address = query.size ? `${path}?${query}` : path;
  return [address, { method: method.toUpperCase(), headers, body: body ? body.value : undefined }];
}

/** What came back, as text. */
async function shown(response) {
  const text = await response.text();
  let body = text;
  try {
    body = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // Not JSON: shown as it is.
  }
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  return `${response.status} ${response.statusText}\n${headers}\n\n${body}`;
}

/** The form that tries an operation. */
function tryIt(spec, method, path, operation) {
  const form = element("form");
  const inputs = (operation.parameters || []).map((parameter) => {
    const id = `${operation.operationId}-${parameter.in}-${parameter.name}`;
    const label = `${parameter.name} (${parameter.in}, ${typeOf(parameter.schema)})`;
    const [field, labelled] = input(id, label, parameter.description);
    field.required = parameter.in === "path";
    form.append(labelled, field);
    return [parameter, field];
  });
  let body;
  if (operation.requestBody) {
    const schema = operation.requestBody.content["application/json"].schema;
    const [field, labelled] = input(`${operation.operationId}-body`, "Body (JSON)", "", "textarea");
    // Every key of a PATCH changes something, so it starts with none.
    field.value = method === "patch" ? "{}" : example(spec, schema);
    field.rows = field.value.split("\n").length + 1;
    form.append(labelled, field, element("details", {}, element("summary", {}, "Fields"), fields(spec, schema)));
    body = field;
  }
  const button = element("button", { type: "submit", textContent: "Send" });
  const result = element("pre", { hidden: true, tabIndex: 0, role: "status" });
  form.append(element("p", {}, button), result);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    result.hidden = false;
    result.textContent = "Sending…";
    try {
      result.textContent = await shown(await fetch(...requestOf(method, path, inputs, body)));
    } catch (error) {
      result.textContent = `The request could not be sent: ${error.message}`;
    }
    button.disabled = false;
  });
  return form;
}

/** What an operation answers when it succeeds. */
function answers(spec, operation) {
  const parts = [];
  for (const [status, response] of Object.entries(operation.responses)) {
    const content = resolve(spec, response).content;
    const schema = content && Object.values(content)[0].schema;
    parts.push(element("p", {}, element("strong", { textContent: status }), " " + resolve(spec, response).description + " " + typeOf(schema)));
    if (schema && status !== "default") {
      parts.push(element("details", {}, element("summary", {}, "Fields"), fields(spec, schema)));
    }
  }
  return parts;
}

/** One operation: closed, it is a line; it is filled in when first opened. */
function operationOf(spec, method, path, operation) {
  const title = element("summary", {}, element("span", { className: "method", textContent: method.toUpperCase() }));
  title.append(element("code", { textContent: path }), " " + operation.summary);
  const details = element("details", { id: operation.operationId }, title);
  details.addEventListener("toggle", () => {
    if (details.childElementCount > 1) return;
    const text = operation.description.split("\n\n").map((paragraph) => element("p", { textContent: paragraph }));
    const body = element("div", {}, ...text, tryIt(spec, method, path, operation));
    body.append(element("h3", { textContent: "Answers" }), ...answers(spec, operation));
    details.append(body);
  });
  return details;
}

async function main() {
  const place = document.getElementById("operations");
  try {
    const spec = await (await fetch("/openapi.json")).json();
    const sections = new Map();
    for (const tag of spec.tags) {
      const id = `tag-${tag.name}`;
      const heading = element("h2", { id, textContent: tag.name });
      sections.set(tag.name, element("section", {}, heading, element("p", { textContent: tag.description })));
      document.getElementById("tags").append(element("a", { href: `#${id}`, textContent: tag.name }));
    }
    for (const [path, methods] of Object.entries(spec.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        sections.get(operation.tags[0]).append(operationOf(spec, method, path, operation));
      }
    }
    place.replaceChildren(...sections.values());
  } catch (error) {
    document.getElementById("loading").textContent = `The description could not be read: ${error.message}`;
  }
  place.removeAttribute("aria-busy");
}

main();
