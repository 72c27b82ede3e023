// A photo from the camera.

import { element, refusal } from "./elements.js";

/** Why the camera cannot be used. @returns {Error} */
function reason(/** @type {unknown} */ error) {
  const name = error instanceof Error ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") {
    return new Error("The camera was not allowed: allow it for this page in the browser.");
  }
  if (name === "NotFoundError" || name === "OverconstrainedError") {
    return new Error("There is no camera on this machine: choose a file instead.");
  }
  if (name === "NotReadableError" || name === "AbortError") {
    return new Error("The camera cannot be read: another program may be using it.");
  }
  return new Error(`The camera cannot be used: ${error instanceof Error ? error.message : name}`);
}

/**
 * Show what the camera sees, until a photo is taken or the dialog is closed.
 * @param {(photo: Blob, name: string) => void} taken
 */
export async function openCamera(taken) {
  const video = element("video", { autoplay: true, muted: true, playsinline: true });
  const trouble = element("div", {}, element("p", {}, "Waiting for the camera…"));
  const capture = element(
    "button",
    { type: "button", disabled: true, onclick: () => take() },
    "Take photo",
  );
  /** @type {MediaStream | null} */
  let stream = null;
  const dialog = element(
    "dialog",
    {
      class: "camera",
      "aria-label": "Camera",
      onclose: () => {
        stream?.getTracks().forEach((track) => track.stop());
        dialog.remove();
      },
    },
    video,
    trouble,
    element(
      "p",
      { class: "buttons" },
      capture,
      element("button", { type: "button", onclick: () => dialog.close() }, "Close"),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();

  function take() {
    const canvas = element("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d")?.drawImage(video, 0, 0);
    canvas.toBlob(
      (photo) => {
        if (!photo) return;
        const time = new Date().toTimeString().slice(0, 8).replaceAll(":", ".");
        taken(photo, `camera ${time}.jpg`);
        dialog.close();
      },
      "image/jpeg",
      0.95,
    );
  }

  try {
    if (!navigator.mediaDevices) {
      throw new Error("browsers offer it only to pages of this machine, or over HTTPS.");
    }
    const wanted = { video: { facingMode: "environment", width: { ideal: 1280 } } };
    stream = await navigator.mediaDevices.getUserMedia(wanted);
    if (!dialog.isConnected) {
      stream.getTracks().forEach((track) => track.stop());
      return;
    }
    video.srcObject = stream;
    await video.play();
    trouble.replaceChildren();
    capture.disabled = false;
    capture.focus();
  } catch (error) {
    video.hidden = true;
    trouble.replaceChildren(refusal(reason(error)));
  }
}
