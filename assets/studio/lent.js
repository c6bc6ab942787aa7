// On ZeroGPU a GPU is lent to a visitor, whom the page around this one knows: it is asked for headers that say who.

const ORIGIN = "https://huggingface.co";
const WAIT_MS = 1500;
const isFramed = window.parent !== window && location.hostname.endsWith(".hf.space");

if (isFramed) window.parent.postMessage("supports-zerogpu-headers", ORIGIN);

/** The headers that say for whom a GPU is lent; none anywhere else. */
export function lentHeaders() {
  if (!isFramed) return Promise.resolve({});
  return new Promise((resolve) => {
    const channel = new MessageChannel();
    const finish = (headers) => { channel.port1.close(); resolve(headers && typeof headers === "object" ? headers : {}); };
    channel.port1.onmessage = ({ data }) => finish(data);
    setTimeout(finish, WAIT_MS);
    window.parent.postMessage("zerogpu-headers", ORIGIN, [channel.port2]);
  });
}
