/**
 * What the frontend of contract `direct-v1` does (direct-v1.md, sections 3-6), without its pictures on the screen.
 * Knows neither Node nor the browser: it is given axios and a way to open its socket, and runs in both.
 */
import type { AxiosInstance, AxiosRequestConfig } from "axios";
import type { Socket } from "socket.io-client";
import type { Message } from "./frontend-direct.ts";

export interface UserV1 {
  _id: string;
  email: string;
  full_name: string;
  profile_picture: string;
  profilePic?: string;
  bio: string;
  createdAt?: string;
}

export interface Ack {
  status: string;
  message: Message | string;
}

export class DirectV1Frontend {
  authUser: UserV1 | null = null;
  users: UserV1[] = [];
  selectedUser: UserV1 | null = null;
  messages: Message[] = [];
  onlineUsers: string[] = [];
  socket: Socket | null = null;
  toasts: string[] = [];
  onChange: () => void = () => {};

  constructor(
    private readonly http: AxiosInstance,
    private readonly openSocket: (query: { userId: string }) => Socket,
  ) {}

  async checkAuth(): Promise<void> {
    try {
      const body = await this.request<{ user: UserV1 }>({ url: "/v1/auth/check-auth" });
      this.authUser = body.user;
      this.connectSocket();
    } catch {
      this.authUser = null;
    }
    this.onChange();
  }

  /** Keeps the user, opens no socket: the page goes to the login form. */
  async signup(form: { full_name: string; email: string; password: string }): Promise<void> {
    await this.telling(async () => {
      const data = { ...form, profilePicture: "", bio: "" };
      const body = await this.request<{ user: UserV1 }>({ method: "post", url: "/v1/auth/signup", data });
      this.authUser = body.user;
    });
  }

  async login(form: { email: string; password: string }): Promise<void> {
    await this.telling(async () => {
      const body = await this.request<{ user: UserV1 }>({
        method: "post",
        url: "/v1/auth/login",
        data: form,
      });
      this.authUser = body.user;
      this.connectSocket();
    });
  }

  async logout(): Promise<void> {
    await this.telling(async () => {
      await this.request({ method: "post", url: "/v1/auth/logout" });
      this.authUser = null;
      if (this.socket?.connected) this.socket.disconnect();
    });
  }

  async updateProfile(picture: string): Promise<void> {
    await this.telling(async () => {
      const data = { profile_picture: picture };
      const body = await this.request<{ user: UserV1 }>({
        method: "put",
        url: "/v1/auth/update-profile",
        data,
      });
      this.authUser = body.user;
    });
  }

  async getUsers(): Promise<void> {
    await this.telling(async () => {
      this.users = (await this.request<{ data: UserV1[] }>({ url: "/messages/users" })).data;
    });
  }

  async openConversation(user: UserV1): Promise<void> {
    this.socket?.off("newMessage");
    this.selectedUser = user;
    // Only a connected socket is subscribed: a slow handshake means no live messages here.
    if (this.socket?.connected) {
      this.socket.on("newMessage", (message: Message) => {
        const other = this.selectedUser?._id;
        if (message.senderId !== other && message.receiverId !== other) return;
        this.messages = [...this.messages, message];
        this.onChange();
      });
    }
    await this.telling(async () => {
      this.messages = (await this.request<{ data: Message[] }>({ url: `/messages/${user._id}` })).data;
    });
  }

  /** Text goes over the socket, a picture over REST. Either way the list becomes "list at send time + answer". */
  async sendMessage({ text, image }: { text: string; image: string | null }): Promise<void> {
    const before = this.messages;
    const to = this.selectedUser?._id;
    if (image) {
      await this.telling(async () => {
        const data = { text, image };
        const body = await this.request<{ data: Message }>({
          method: "post",
          url: `/messages/send/${to}`,
          data,
        });
        this.messages = [...before, body.data];
      });
      return;
    }
    await new Promise<void>((resolve) => {
      this.socket?.emit("sendMessage", { to, text, image: null }, (ack: Ack) => {
        if (ack.status === "ok") this.messages = [...before, ack.message as Message];
        else this.toasts.push("Message failed to send.");
        this.onChange();
        resolve();
      });
    });
  }

  connectSocket(): void {
    if (!this.authUser || this.socket?.connected) return;
    this.socket = this.openSocket({ userId: this.authUser._id });
    this.socket.on("getOnlineUsers", (userIds: string[]) => {
      this.onlineUsers = userIds;
      this.onChange();
    });
  }

  /** Its axios wrapper: gives the body, throws the body (or the axios error when there was no answer). */
  private async request<T>(config: AxiosRequestConfig): Promise<T> {
    try {
      return (await this.http.request<T>(config)).data;
    } catch (error) {
      const failed = error as { response?: { data: unknown } };
      throw failed.response ? failed.response.data : error;
    }
  }

  private async telling(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (error instanceof Error)
        throw new Error(`no answer the page may read: ${error.message}`, { cause: error });
      const text = (error as { message: unknown }).message;
      if (typeof text !== "string" || !text) {
        throw new Error(`the user sees an empty toast: ${JSON.stringify(error)}`);
      }
      this.toasts.push(text);
    }
    this.onChange();
  }
}
