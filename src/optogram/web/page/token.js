// The token of an explorer in a frame of a notebook, where the browser sends no cookies.

const KEY = "optogram token";

/** @type {string} */
let token = "";

/** Take the token out of the address, where it is after the #, or of what was kept of it. */
function read() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  try {
    if (given) sessionStorage.setItem(KEY, given);
    token = given ?? sessionStorage.getItem(KEY) ?? "";
  } catch {
    token = given ?? ""; // nothing can be kept here
  }
  if (given) history.replaceState(null, "", location.pathname + location.search);
}
if (location.protocol !== "file:") read();

/** `fetch`, with the token. */
export function fetched(/** @type {string} */ address, /** @type {RequestInit} */ how = {}) {
  return fetch(address, token ? { ...how, headers: { authorization: `Bearer ${token}` } } : how);
}

/** An address for what sends no headers: pictures, and the socket. */
export function withToken(/** @type {string} */ address) {
  return token ? `${address}?token=${encodeURIComponent(token)}` : address;
}
