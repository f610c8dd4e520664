// All that the page wants of the host: call, terminal, desktop, and files. Another host of this page (a Cockpit package, say)
// gives it these and nothing else.

/** What failed, in the daemon's own words. */
export class Failure extends Error {
  constructor({ what, why = "", hint = "", code = 1 }) {
    super(why ? `${what}: ${why}` : what);
    Object.assign(this, { what, why, hint, code });
  }
}

let token = "";
let loggedOut = () => {};

export function onLogOut(tell) {
  loggedOut = tell;
}

async function ask(method, path, body) {
  const send = () => fetch(path, {
    method,
    headers: { ...(body === undefined ? {} : { "Content-Type": "application/json" }), "X-Gaoler-Token": token },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  let response;
  try {
    // A browser drops what is on its way when its network changes. What changes nothing is asked once more.
    response = await (method === "GET" ? send().catch(send) : send());
  } catch {
    throw new Failure({ what: "the gateway can't be reached", why: "is there a network?", code: 6 });
  }
  if (response.status === 401) {
    loggedOut();
    throw new Failure({ what: "not logged in" });
  }
  return response;
}

async function answer(response) {
  let said = null;
  try {
    said = await response.json();
  } catch {
    // A proxy's own page: its status is all it says.
  }
  if (said?.error) throw new Failure(said.error);
  if (!response.ok && !said) throw new Failure({ what: `the gateway answers ${response.status}` });
  return { status: response.status, ...said };
}

export const get = async (path) => answer(await ask("GET", path));
export const post = async (path, body = {}) => answer(await ask("POST", path, body));

export async function me() {
  const found = await get("/api/me");
  token = found.token;
  return found;
}

/** A request to the daemon; `progress` is told of each step. */
export async function call(method, parameters = {}, progress = () => {}) {
  const response = await ask("POST", "/api/call", { method, parameters });
  if (!response.ok) return answer(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) throw new Failure({ what: "the gateway went away", why: "in the middle of its answer", code: 6 });
    rest += value;
    for (let end; (end = rest.indexOf("\n")) >= 0; rest = rest.slice(end + 1)) {
      const line = JSON.parse(rest.slice(0, end));
      if (line.error) throw new Failure(line.error);
      if (line.result) return line.result;
      progress(line);
    }
  }
}

const address = (path, query) => `${path}?${new URLSearchParams(query)}`;
const socketAddress = (path, query) => `wss://${location.host}${address(path, query)}`.replace(/^wss/, location.protocol === "http:" ? "ws" : "wss");

/** A WebSocket with a machine's terminal: bytes both ways, and JSON beside them. */
export function terminal(query) {
  const socket = new WebSocket(socketAddress("/api/terminal", query));
  socket.binaryType = "arraybuffer";
  return socket;
}

/** The address of a WebSocket with a machine's desktop, for noVNC. */
export const desktop = (machine) => socketAddress("/api/desktop", { machine });

/** All about one's machines as it changes; comes back by itself. `tell(state)`, `lost()`. Returns what ends it. */
export function live(tell, lost) {
  let socket = null;
  let pause = 500;
  let timer = 0;
  let over = false;
  function open() {
    socket = new WebSocket(socketAddress("/api/live", {}));
    socket.onmessage = (event) => {
      pause = 500;
      tell(JSON.parse(event.data));
    };
    socket.onclose = (event) => {
      if (over) return;
      if (event.code === 4401) return loggedOut();
      lost();
      timer = setTimeout(() => me().catch(() => {}).finally(() => over || open()), pause);
      pause = Math.min(pause * 2, 10000);
    };
  }
  // A phone that comes out of a pocket doesn't wait for the next try.
  const awake = () => document.visibilityState === "visible" && socket?.readyState === WebSocket.CLOSED && (clearTimeout(timer), open());
  document.addEventListener("visibilitychange", awake);
  open();
  return {
    look: () => socket.readyState === WebSocket.OPEN && socket.send("look"),
    end() {
      over = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", awake);
      socket.close();
    },
  };
}

export const files = (query) => get(address("/api/files", query));
export const changeFiles = (query) => post(address("/api/files", query));
export const fileAddress = (query) => address("/api/file", query);
export const ports = (machine) => get(address("/api/ports", { machine }));

export const exportAddress = (query) => address("/api/export", query);

/** Send a file; `progress(part)` from 0 to 1. XMLHttpRequest, since fetch says nothing of what is on its way. */
function put(path, file, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", path);
    request.setRequestHeader("X-Gaoler-Token", token);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => event.total && progress(event.loaded / event.total);
    request.onload = () => {
      if (request.status === 401) loggedOut();
      let said = {};
      try {
        said = JSON.parse(request.responseText);
      } catch {
        // A proxy's own page: its status is all it says.
      }
      if (request.status === 200) resolve(said);
      else reject(new Failure(said.error ?? { what: `the gateway answers ${request.status}` }));
    };
    request.onerror = () => reject(new Failure({ what: "the gateway can't be reached", code: 6 }));
    request.onabort = request.onerror;
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

export const upload = (query, file, progress) => put(address("/api/file", query), file, progress);
/** Make a machine of an archive. */
export const bring = (query, file, progress, signal) => put(address("/api/import", query), file, progress, signal);
