import { useEffect, useRef } from "react";
import { Icon } from "./Icon.tsx";

/** A picture over the whole page; Escape, the button or a click beside it closes. */
export function Lightbox({ src, onClose }: { src: string; onClose(): void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} className="lightbox" aria-label="Picture" onClose={onClose}>
      <button type="button" className="backdrop" tabIndex={-1} aria-hidden="true" onClick={onClose} />
      <img src={src} alt="Enlarged" />
      <button
        type="button"
        className="icon-button lightbox-close"
        aria-label="Close picture"
        onClick={onClose}
      >
        <Icon name="close" />
      </button>
    </dialog>
  );
}
