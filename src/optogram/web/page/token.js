// The token of an explorer in a frame of a notebook, where the browser sends no cookies. It stays in
// the address, after the #, so that links and a page that is loaded again have it, and servers do not see it.

const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";

/** The end of every address of this page. */
export const ending = token && `#${new URLSearchParams({ token })}`;

/** `fetch`, with the token. */
export function fetched(/** @type {string} */ address, /** @type {RequestInit} */ how = {}) {
  return fetch(address, token ? { ...how, headers: { authorization: `Bearer ${token}` } } : how);
}

/** An address for what sends no headers: pictures, and the socket. */
export function withToken(/** @type {string} */ address) {
  return token ? `${address}?${new URLSearchParams({ token })}` : address;
}
