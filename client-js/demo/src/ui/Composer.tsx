import {
  type FormEvent,
  type KeyboardEvent,
  type Ref,
  useEffect,
  useImperativeHandle,
  useRef,
  useState,
} from "react";
import type { User } from "../chat/model.ts";
import { Icon } from "./Icon.tsx";
import { isEnter } from "./keys.ts";
import { PICTURE_TYPES, PictureError, toDataUrl } from "./picture.ts";
import { useChat } from "./useChat.ts";
import { isolated } from "./words.ts";

const PICTURE_SIDE_PX = 1600;
const TEXT_LEN_MAX = 2000;

export interface ComposerHandle {
  attach(files: FileList): void;
}

export function Composer({ peer, ref }: { peer: User; ref: Ref<ComposerHandle> }) {
  const chat = useChat();
  const field = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState("");
  const [image, setImage] = useState<string | null>(null);
  const isEmpty = !text.trim() && !image;

  useImperativeHandle(ref, () => ({ attach }));
  useEffect(() => {
    // On a phone the focus would push the keyboard over the conversation.
    if (matchMedia("(hover: hover)").matches) field.current?.focus();
  }, []);

  async function attach(files: FileList | null) {
    const file = files?.[0];
    if (!file) return;
    try {
      setImage(await toDataUrl(file, PICTURE_SIDE_PX));
      field.current?.focus();
    } catch (error) {
      if (!(error instanceof PictureError)) throw error;
      chat.say(error.message);
    }
  }

  function submit(event?: FormEvent) {
    event?.preventDefault();
    if (isEmpty || !chat.send(peer._id, { text: text.trim(), image })) return;
    setText("");
    setImage(null);
    field.current?.focus();
  }

  function onKeyDown(event: KeyboardEvent) {
    if (!isEnter(event.nativeEvent) || event.shiftKey) return;
    event.preventDefault();
    submit();
  }

  return (
    <form className="composer" onSubmit={submit}>
      {image && (
        <div className="attachment">
          <img src={image} alt="To be sent" />
          <button
            type="button"
            className="icon-button attachment-remove"
            aria-label="Remove picture"
            onClick={() => setImage(null)}
          >
            <Icon name="close" />
          </button>
        </div>
      )}
      <label className="icon-button" title="Add a picture">
        <Icon name="picture" />
        <span className="sr-only">Add a picture</span>
        <input
          className="sr-only"
          type="file"
          accept={PICTURE_TYPES}
          onChange={(event) => {
            void attach(event.currentTarget.files);
            event.currentTarget.value = "";
          }}
        />
      </label>
      <textarea
        ref={field}
        dir="auto"
        rows={1}
        maxLength={TEXT_LEN_MAX}
        aria-label={`Message to ${peer.fullName}`}
        placeholder={`Message ${isolated(peer.fullName)}`}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
        onPaste={(event) => {
          if (event.clipboardData.files.length === 0) return;
          event.preventDefault();
          void attach(event.clipboardData.files);
        }}
      />
      <button type="submit" className="icon-button send" aria-label="Send" disabled={isEmpty}>
        <Icon name="send" />
      </button>
    </form>
  );
}
