//! Parse, dispatch, exit code; nothing else.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let file = std::env::args().nth(1).unwrap();
    let rt = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_unpark(|| {
            gatewright::clock::refresh();
        })
        .build_local(tokio::runtime::LocalOptions::default())
        .unwrap();
    rt.block_on(async {
        tokio::task::spawn_local(gatewright::clock::drive());
        let (h, e) = gatewright::control::events();
        gatewright::control::listen_to_signals(h).unwrap();
        match gatewright::control::reload::Control::start(gatewright::control::Source::File(file.into()), None, None)
            .await
        {
            Ok(c) => println!("{:?}", gatewright::control::run(c, e).await),
            Err(e) => println!("{e}"),
        }
    });
}
