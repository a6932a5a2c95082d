// Speaks to the HTTP service that this page came from.

const KEY = "imagegen.key"; // sessionStorage: gone when the tab closes

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => sessionStorage.setItem(KEY, value),
};

/** What the service refused, or could not be asked: `status` 0 is "no answer". */
export class ServiceError extends Error {
  constructor(status, problem = {}, retryAfter = 0) {
    super(problem.detail ?? "");
    this.status = status;
    this.param = problem.error?.param ?? null;
    this.requestId = problem.request_id ?? "";
    this.retryAfter = retryAfter;
  }
}

/** The models' list. */
export const models = async () => (await ask("/v1/models")).data;

/** Pictures for an OpenAI-style body; `signal` withdraws the request. */
export const generate = (body, signal) =>
  ask("/v1/images/generations", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });

/** Pictures that start from a photo (a File), for a body with a `strength`. */
export function edit(body, photo, signal) {
  const form = new FormData();
  for (const [name, value] of Object.entries(body)) form.append(name, value);
  form.append("image", photo);
  return ask("/v1/images/edits", { method: "POST", body: form, signal });
}

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (key.get()) headers.Authorization = `Bearer ${key.get()}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError(0);
  }
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => ({}));
  throw new ServiceError(response.status, problem, Number(response.headers.get("Retry-After") ?? 0));
}
