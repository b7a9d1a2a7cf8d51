/** The HTTP API: docs/reference/http.md. */

/** An answer that is no success; the status is 0 if there was no answer. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  /** Whether the token is missing or wrong. */
  get isToken() {
    return this.status === 401 || this.status === 403;
  }
}

export class Api {
  /**
   * @param {string} base the address of w2z, with a slash at its end
   * @param {string | null} token
   */
  constructor(base, token) {
    this.base = base;
    this._token = token;
  }

  /** @returns {Promise<object>} the one kernel */
  async kernel() {
    const [model] = await this._ask("GET", "api/kernels");
    return model;
  }

  /** @returns {Promise<object>} when w2z was started, among others */
  status() {
    return this._ask("GET", "api/status");
  }

  /** @returns {Promise<object>} the one kernelspec */
  async spec() {
    const { default: name, kernelspecs } = await this._ask("GET", "api/kernelspecs");
    return (kernelspecs[name] ?? Object.values(kernelspecs)[0]).spec;
  }

  interrupt(id) {
    return this._ask("POST", `api/kernels/${encodeURIComponent(id)}/interrupt`);
  }

  restart(id) {
    return this._ask("POST", `api/kernels/${encodeURIComponent(id)}/restart`);
  }

  async _ask(method, path) {
    const headers = this._token === null ? {} : { Authorization: `Bearer ${this._token}` };
    let answer;
    try {
      answer = await fetch(this.base + path, { method, headers, cache: "no-store" });
    } catch {
      throw new ApiError(0, "w2z does not answer.");
    }
    const text = await answer.text();
    if (!answer.ok) {
      throw new ApiError(answer.status, messageOf(text) ?? `w2z answers ${answer.status}.`);
    }
    return text ? JSON.parse(text) : null;
  }
}

function messageOf(text) {
  try {
    return JSON.parse(text).message;
  } catch {
    return undefined;
  }
}
