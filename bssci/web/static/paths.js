// Addresses below the path at which a reverse proxy shows these pages. Links in the HTML contain that path already.

const prefix = document.documentElement.dataset.prefix ?? "";

export const to = (path) => prefix + path;
export const here = () => location.pathname.slice(prefix.length) + location.search;
