// Calls of the control API, and the two things that every part of the page does.

export const TOKEN = "dashboard-cast-token";

export class ApiError extends Error {
  constructor(status, problem) {
    super(sentence(problem?.detail ?? `The service answered with status ${status}`));
    this.status = status;
    this.hint = problem?.hint;
  }

  get words() {
    return this.hint ? `${this.message} ${this.hint}` : this.message;
  }
}

export function sentence(text) {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

export async function call(method, path, body) {
  const headers = {};
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
    signal: AbortSignal.timeout(35000),
  });
  if (response.ok) return response;
  throw new ApiError(response.status, await response.json().catch(() => null));
}

// Repeats while the page is looked at, never twice at a time, until `signal` says to end.
export function repeat(every, work, signal) {
  let timer;
  let running = false;
  const run = async () => {
    clearTimeout(timer);
    if (running || document.hidden || signal?.aborted) return;
    running = true;
    try {
      await work();
    } finally {
      running = false;
      timer = setTimeout(run, every);
    }
  };
  document.addEventListener("visibilitychange", run, { signal });
  run();
  return run;
}

export function say(node, text) {
  node.hidden = !text;
  if (node.textContent !== (text ?? "")) node.textContent = text ?? "";
}
